/** Light or dark: as the system says, until the reader chooses. Colours come from page.css alone. */

const key = 'fly-edge.theme';
const dark = matchMedia('(prefers-color-scheme: dark)');
const probe = document.createElement('span');
let resolved = new Map<string, string>();

export type Theme = 'light' | 'dark';

export const theme = (): Theme =>
  (document.documentElement.dataset.theme as Theme | undefined) ?? (dark.matches ? 'dark' : 'light');

/** @param changed called whenever the colours have changed. */
export function startTheme(changed: () => void): void {
  const chosen = localStorage.getItem(key);
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
  probe.hidden = true;
  document.body.append(probe);
  dark.addEventListener('change', () => refresh(changed));
}

export function choose(next: Theme, changed: () => void): void {
  document.documentElement.dataset.theme = next;
  localStorage.setItem(key, next);
  refresh(changed);
}

function refresh(changed: () => void): void {
  resolved = new Map();
  changed();
}

/** A custom property of page.css, as a canvas can use it. */
export function colour(name: string): string {
  let found = resolved.get(name);
  if (found === undefined) {
    probe.style.color = `var(--${name})`;
    found = getComputedStyle(probe).color;
    resolved.set(name, found);
  }
  return found;
}
