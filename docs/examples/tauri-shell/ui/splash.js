// The splash window: starts the server, shows the server's page in a window of its own, and ends the server with that window.

import { ADDRESS_TAKEN, Sidecar } from './sidecar.js';

const { getCurrentWindow } = window.__TAURI__.window;
const { WebviewWindow } = window.__TAURI__.webviewWindow;

// A free port. Name a port here if it has to be a fixed one.
const LISTEN = '127.0.0.1:0';
const FREE = '127.0.0.1:0';

const STEPS = {
  waiting: 'Waiting for another instance', unpacking: 'Unpacking', checking: 'Checking', repairing: 'Repairing',
  ready: 'Starting the server',
};

const splash = getCurrentWindow();
const [bar, text, buttons] = ['progress', 'p', 'div'].map((name) => document.querySelector(name));
const server = new Sidecar('binaries/cortex-backend', { health: '/api/health', onProgress: progress });

function progress({ event, done, total }) {
  if (!(event in STEPS)) return;
  document.documentElement.className = '';
  buttons.replaceChildren();
  if (total) bar.value = done / total;
  else bar.removeAttribute('value');
  say(total ? `${STEPS[event]}: ${Math.floor((100 * done) / total)} %` : STEPS[event]);
}

/** In the window, and in its title for the task bar. */
function say(message) {
  text.textContent = message;
  splash.setTitle(`Cortex: ${message}`);
}

/** Shows the message, and resolves with the text of the button that the user presses. */
function failed(message, choices) {
  document.documentElement.className = 'failed';
  say(message);
  return new Promise((resolve) => {
    buttons.replaceChildren(...choices.map((choice) => {
      const button = document.createElement('button');
      button.textContent = choice;
      button.onclick = () => resolve(choice);
      return button;
    }));
    buttons.firstChild.focus();
  });
}

/** Starts the server and shows its page. Resolves when the user closes the page, and rejects if the server ends before. */
async function show(listen) {
  const url = await server.start(listen);
  const page = new WebviewWindow('page', { url, title: 'Cortex', width: 800, height: 600 });
  const closed = new Promise((resolve) => page.once('tauri://destroyed', resolve));
  try {
    await splash.hide();
    await Promise.race([closed, server.ended]);
  } catch (error) {
    await page.destroy();
    await splash.show();
    throw error;
  }
}

async function run() {
  for (let listen = LISTEN; ;) {
    try {
      await show(listen);
      return;
    } catch (error) {
      const choices = ['Try again', ...(error.exitCode === ADDRESS_TAKEN ? ['Use a free port'] : []), 'Quit'];
      const choice = await failed(error.message ?? String(error), choices);
      if (choice === 'Quit') return;
      if (choice === 'Use a free port') listen = FREE;
    }
  }
}

// The user closes the splash: the window goes when the server has ended.
splash.onCloseRequested(() => server.stop());

await run();
await server.stop();
// The last window: the application ends.
await splash.destroy();
