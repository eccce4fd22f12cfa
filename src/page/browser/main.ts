/** Starts the page: finds out where its numbers come from, asks for a token where one is needed. */

import { byId, element, setText } from './dom.ts';
import { LiveSource } from './live-source.ts';
import { Page } from './page.ts';
import { QuerySource } from './query-source.ts';
import { type Credentials, forget, remember, remembered } from './session.ts';
import { signIn } from './sign-in.ts';
import { choose, startTheme, theme } from './theme.ts';

let page: Page | null = null;

const darkness = element('button', { type: 'button', id: 'theme' }, 'Dark');
const showTheme = () => {
  darkness.ariaPressed = String(theme() === 'dark');
  page?.again();
};
darkness.addEventListener('click', () => choose(theme() === 'dark' ? 'light' : 'dark', showTheme));

startTheme(showTheme);
showTheme();
byId('controls').addEventListener('submit', (event) => event.preventDefault());

const source = document.querySelector<HTMLMetaElement>('meta[name=fly-edge-source]')!.content;
if (source === 'live') await showLive();
else await showQueries();

async function showLive(): Promise<void> {
  const org = new URLSearchParams(location.search).get('org');
  setText(byId('place'), org === null ? 'live from this edge' : `live from this edge, ${org}`);
  await run(new Page(new LiveSource(org)));
}

async function showQueries(): Promise<never> {
  let problem = '';
  for (let org = ''; ; ) {
    const credentials = remembered() ?? (await ask(org, problem));
    org = credentials.org;
    setText(byId('place'), `organization ${org}`);
    const leave = element('button', { type: 'button', id: 'leave' }, 'Forget token');
    leave.addEventListener('click', () => {
      forget();
      location.reload();
    });
    problem = `The token was refused: ${await run(new Page(new QuerySource(credentials)), leave)}.`;
    forget();
  }
}

async function run(next: Page, ...more: HTMLElement[]): Promise<string> {
  page = next;
  byId('controls').replaceChildren(...page.controls, darkness, ...more);
  const reason = await page.run();
  page = null;
  return reason;
}

async function ask(org: string, problem: string): Promise<Credentials> {
  byId('controls').replaceChildren(darkness);
  byId('headlines').replaceChildren();
  byId('headlines').removeAttribute('data-key');
  byId('banner').hidden = true;
  setText(byId('place'), 'query API');
  document.body.dataset.state = 'asking';
  const credentials = await signIn(byId('main'), org, problem);
  remember(credentials);
  return credentials;
}
