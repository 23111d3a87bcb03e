// The main process of an Electron application whose server is a onefile that updates itself.

import { app, BrowserWindow, dialog, net } from 'electron';
import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import updater from './onefold-update.cjs';

const URL = process.env.DEMO_UPDATES ?? 'https://updates.example.com/demo/x86_64-linux/demo';
const EVERY = 6 * 60 * 60 * 1000;

// What the application was installed with may be on a read-only disk, or belong to root. Updates go to the user's copy.
const BUNDLED = path.join(process.resourcesPath, 'demo');
const FOLDER = path.join(app.getPath('userData'), 'server');
const FILE = path.join(FOLDER, 'demo');
const REFUSED = path.join(FOLDER, 'refused');

const quitting = new AbortController();
let window = null;
let server = null;
/** A checked new version, which waits for the end of the running one. */
let ready = null;

async function install() {
  await mkdir(FOLDER, { recursive: true });
  if (await access(FILE).then(() => true, () => false)) return;
  await copyFile(BUNDLED, `${FILE}.new`, constants.COPYFILE_FICLONE);
  await rename(`${FILE}.new`, FILE);
}

/** Starts the server; `show` gets what the launcher tells while it unpacks. */
async function start(show) {
  const env = { ...process.env, ONEFOLD_PROGRESS: 'json:3' };
  const child = spawn(FILE, ['--port', '0'], { stdio: ['ignore', 'pipe', 'inherit', 'pipe'], env });
  const ended = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`the server ended: ${code ?? signal}`);
  });
  ended.catch(() => {});
  createInterface({ input: child.stdio[3] }).on('line', (line) => show(JSON.parse(line)));
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([once(lines, 'line'), ended]);
  return { child, url: line.replace('listening on ', '') };
}

async function stop() {
  const child = server?.child;
  server = null;
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await exited;
  clearTimeout(timer);
}

/** Starts the installed version. If it is new and does not start, the one before it comes back. */
async function startAny(show) {
  try {
    server = await start(show);
  } catch (error) {
    const { treeId } = await updater.verify(FILE).catch(() => ({}));
    await updater.rollback(FILE).catch(() => { throw error; });
    await writeFile(REFUSED, treeId ?? '');
    server = await start(show);
  }
  // It works, so nobody goes back any more.
  await rm(`${FILE}.previous`, { force: true });
}

/** Gets a new version in the background, and unpacks it, so that its first start is as fast as any. */
async function prepare() {
  const plan = await updater.plan({
    url: URL,
    file: FILE,
    seeds: [BUNDLED],
    signal: quitting.signal,
    // Chromium's network knows the system's proxy and certificates.
    fetch: (url, init) => net.fetch(url, { ...init, cache: 'no-store' }),
    check: prewarm,
    onProgress: ({ done, total }) => window?.setProgressBar(total ? done / total : 2),
  });
  if (plan.upToDate || plan.treeId === (await readFile(REFUSED, 'utf8').catch(() => null))) return;
  ready = await plan.download();
  window?.setProgressBar(-1);
  if (ready) window?.setTitle(`version ${plan.version} is ready`);
}

async function prewarm(file) {
  const child = spawn(file, { stdio: 'ignore', env: { ...process.env, ONEFOLD: 'prewarm' } });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`the new version can't be unpacked: ${code}`);
}

async function updates() {
  while (!quitting.signal.aborted && ready === null) {
    await prepare().catch((error) => { if (!quitting.signal.aborted) console.error(error.message); });
    await sleep(EVERY, undefined, { signal: quitting.signal, ref: false }).catch(() => {});
  }
}

async function swap() {
  const made = ready;
  ready = null;
  await made?.swap().catch((error) => console.error(error.message));
}

/** For a menu: the new version at once. */
export async function restart() {
  await stop();
  await swap();
  await startAny(() => {});
  await window.loadURL(server.url);
}

let stopped = false;
app.on('before-quit', (event) => {
  if (stopped) return;
  event.preventDefault();
  stopped = true;
  // A download that is not complete stays, and the next start continues it.
  quitting.abort();
  stop().then(swap).finally(() => app.quit());
});

if (!app.requestSingleInstanceLock()) app.exit(0);
await app.whenReady();
window = new BrowserWindow();
await window.loadURL('data:text/html,<h1>Starting</h1><progress></progress>');
try {
  await install();
  await startAny((told) => { if (told.event === 'unpacking') window.setProgressBar(told.done / told.total); });
  await window.loadURL(server.url);
  updates();
} catch (error) {
  dialog.showErrorBox('The server does not start', error.message);
  app.quit();
}
