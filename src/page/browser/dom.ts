/** Making elements. Attributes only: the content security policy lets no `style` attribute through. */

type Attributes = Record<string, string | number | boolean | undefined>;

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(name, value === true ? '' : String(value));
  }
  made.append(...children);
  return made;
}

export const byId = (id: string): HTMLElement => document.getElementById(id)!;

/** Only when it changed: a screen reader reads what is set. */
export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

/** Keeps children that are as they were, so that focus and selection stay. */
export function replaceWhenChanged(target: Element, key: string, make: () => (Node | string)[]): void {
  if (target.getAttribute('data-key') === key) return;
  target.setAttribute('data-key', key);
  target.replaceChildren(...make());
}
