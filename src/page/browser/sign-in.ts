/** Asks for organization and token. */

import { element } from './dom.ts';
import type { Credentials } from './session.ts';

/**
 * Replaces what is in `place` until it is answered.
 * @param problem what was wrong with the token before.
 */
export function signIn(place: HTMLElement, org: string, problem: string): Promise<Credentials> {
  const { promise, resolve } = Promise.withResolvers<Credentials>();
  const slug = element('input', {
    id: 'org',
    name: 'org',
    value: org,
    required: true,
    pattern: '[a-z0-9\\-]{1,63}',
    title: 'Lower case letters, digits and hyphens',
    autocomplete: 'organization',
    autocapitalize: 'none',
    spellcheck: 'false',
  });
  const token = element('input', {
    id: 'token',
    name: 'token',
    type: 'password',
    required: true,
    autocomplete: 'off',
    pattern: '[!-~]+( [!-~]+)?',
    title: 'As it was printed',
  });
  const form = element(
    'form',
    { class: 'sign-in', 'aria-labelledby': 'sign-in-title' },
    element('h2', { id: 'sign-in-title' }, 'Whose series?'),
    element('p', { class: 'problem', role: 'alert' }, problem),
    element('label', { for: 'org' }, 'Organization'),
    slug,
    element('label', { for: 'token' }, 'Token'),
    token,
    element(
      'p',
      { class: 'help' },
      'From ',
      element('code', {}, 'fly-edge tokens create readonly -o ORG'),
      '. It is kept until this tab is closed, and sent to this server only.',
    ),
    element('button', { class: 'primary' }, 'Show'),
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    resolve({ org: slug.value.trim(), token: token.value.trim() });
  });
  place.replaceChildren(form);
  (org === '' ? slug : token).focus();
  return promise;
}
