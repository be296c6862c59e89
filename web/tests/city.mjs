/**
 * A whole demo city for browser tests: starts the real binary on free ports with a data folder of its own, waits until it is ready,
 * opens people in headless Chromium, and takes everything away again.
 *
 * CHROMIUM names the browser (default /usr/bin/chromium); DOTHI_BIN another binary (default ../target/debug/dothi);
 * SHOTS a folder for a picture of every screen passed. DOTHI_URL, DOTHI_PASSWORD and DOTHI_DC09_PORT take a demo that already runs (it needs
 * DOTHI_TRUST_LOOPBACK=1) instead of starting one.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import * as zlib from 'node:zlib'
import { chromium } from 'playwright-core'

const ROOT = resolve(fileURLToPath(new URL('../..', import.meta.url)))
const START_MS = 420_000
/** Phường Thái Bình, where the demo's `canbo` works. */
export const HERE = { longitude: 106.298, latitude: 20.4626 }
export const PHONE = { width: 390, height: 844 }
export const DESK = { width: 1440, height: 900 }

const FLAGS = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-quic']
/** A station with too few hours has no index: the calculator says so, and the page shows its readings alone. */
const NO_INDEX = /422 .*\/api\/rules\/vn-aqi/
/** What a machine without a graphics card says about itself; maps then show their still picture. */
const NO_CARD = /webgl|swiftshader|gpu stall|gl driver|GroupMarkerNotSet/i

function freePort() {
  return new Promise((done, fail) => {
    const probe = createServer()
    probe.once('error', fail)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => done(port))
    })
  })
}

/** Repeats `ask` until it gives something, at most `ms`. */
export async function until(what, ask, ms = 60_000) {
  const end = Date.now() + ms
  for (;;) {
    const got = await ask()
    if (got) return got
    if (Date.now() > end) assert.fail(`after ${ms / 1000} s still not: ${what}`)
    await pause(250)
  }
}

/** A real PNG photo of `width` × `height`, a slope of one colour. */
export function picture(red, green, blue, width = 480, height = 360) {
  const chunk = (kind, body) => {
    const head = Buffer.alloc(8)
    head.writeUInt32BE(body.length)
    head.write(kind, 4, 'latin1')
    const sum = Buffer.alloc(4)
    sum.writeUInt32BE(crc(Buffer.concat([head.subarray(4), body])))
    return Buffer.concat([head, body, sum])
  }
  const size = Buffer.alloc(13)
  size.writeUInt32BE(width)
  size.writeUInt32BE(height, 4)
  size.set([8, 2, 0, 0, 0], 8)
  const rows = Buffer.alloc((width * 3 + 1) * height)
  for (let y = 0, at = 0; y < height; y++) {
    rows[at++] = 0
    for (let x = 0; x < width; x++) for (const part of [red, green, blue]) rows[at++] = Math.round(part * (0.55 + (0.45 * (x + y)) / (width + height)))
  }
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', size), chunk('IDAT', zlib.deflateSync(rows)), chunk('IEND', Buffer.alloc(0))])
}

/** `zlib.crc32` where Node has it, else by the definition. */
function crc(bytes) {
  if (zlib.crc32) return zlib.crc32(bytes)
  let sum = ~0
  for (const byte of bytes) {
    sum ^= byte
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0)
  }
  return ~sum >>> 0
}

async function launch(bin, data) {
  const [http, mqtt, dc09] = [await freePort(), await freePort(), await freePort()]
  const child = spawn(bin, ['demo', '--pace', '1'], {
    cwd: ROOT,
    env: { ...process.env, DOTHI_DATA: data, DOTHI_LISTEN: `127.0.0.1:${http}`, DOTHI_MQTT_LISTEN: `127.0.0.1:${mqtt}`, DOTHI_DC09_LISTEN: `127.0.0.1:${dc09}`, DOTHI_LOG: 'error', DOTHI_TRUST_LOOPBACK: '1', DOTHI_DATABASE_URL: '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = { out: '', err: '' }
  child.stdout.on('data', part => (said.out += part))
  child.stderr.on('data', part => (said.err = (said.err + part).slice(-8_000)))
  const ended = new Promise(done => child.once('exit', (code, signal) => done(code ?? signal)))
  return { child, said, ended, base: `http://127.0.0.1:${http}`, dc09 }
}

/** The running city and its visitors. Call `close()` at the end. */
export async function startCity() {
  const browserPath = process.env.CHROMIUM ?? '/usr/bin/chromium'
  assert.ok(existsSync(browserPath), `no browser at ${browserPath}: set CHROMIUM`)
  const browser = await chromium.launch({ executablePath: browserPath, headless: true, args: FLAGS })
  const shots = process.env.SHOTS
  if (shots) mkdirSync(shots, { recursive: true })
  const running = process.env.DOTHI_URL
  try {
    const city = running ? { base: running, password: process.env.DOTHI_PASSWORD ?? '', dc09: Number(process.env.DOTHI_DC09_PORT), shut: async () => {} } : await ownCity()
    return new City({ ...city, browser, shots })
  } catch (fault) {
    await browser.close()
    throw fault
  }
}

async function ownCity() {
  const bin = process.env.DOTHI_BIN ?? join(ROOT, 'target/debug/dothi')
  assert.ok(existsSync(bin), `no binary at ${bin}: cargo build --bin dothi`)
  const data = mkdtempSync(join(tmpdir(), 'dothi-browser-'))
  const { child, said, ended, base, dc09 } = await launch(bin, data)
  let over
  void ended.then(how => (over = how))
  const ready = () => fetch(`${base}/readyz`, { signal: AbortSignal.timeout(5_000) }).then(r => r.ok, () => false)
  const shut = async () => {
    if (over === undefined) child.kill('SIGTERM')
    const slow = setTimeout(() => child.kill('SIGKILL'), 15_000)
    await ended
    clearTimeout(slow)
    rmSync(data, { recursive: true, force: true })
  }
  try {
    await until('the city is ready', async () => {
      assert.equal(over, undefined, `the city ended at its start: ${over}\n${said.err}`)
      return ready()
    }, START_MS)
    const password = await until('the password is printed', () => /password: (\S+)/.exec(said.out)?.[1], 10_000)
    return { base, password, dc09, shut }
  } catch (fault) {
    await shut()
    throw fault
  }
}

class City {
  /** Faults that pages told while being visited: console errors, exceptions, answers with 5xx. */
  faults = []

  constructor(parts) {
    Object.assign(this, parts)
  }

  /** A browser of its own, in Vietnamese and in Vietnam's time; signed in through the page when `login` is given. */
  async visitor({ login, viewport = DESK, here, lands } = {}) {
    const context = await this.browser.newContext({ viewport, locale: 'vi-VN', timezoneId: 'Asia/Ho_Chi_Minh', serviceWorkers: 'block', ...(here ? { geolocation: here, permissions: ['geolocation'] } : {}) })
    context.setDefaultTimeout(30_000)
    const page = await context.newPage()
    const tell = text => !NO_CARD.test(text) && !NO_INDEX.test(text) && this.faults.push(`${new URL(page.url(), this.base).pathname}: ${text}`)
    page.on('pageerror', fault => tell(fault.message))
    page.on('console', message => message.type() === 'error' && tell(`${message.text()} ${message.location().url ?? ''}`))
    page.on('response', answer => answer.status() >= 500 && tell(`${answer.status()} ${answer.url()}`))
    if (login) {
      await page.goto(`${this.base}/sign-in${lands ? `?next=${encodeURIComponent(lands)}` : ''}`)
      await page.getByLabel('Tên đăng nhập').fill(login)
      await page.getByLabel('Mật khẩu').fill(this.password)
      await page.getByRole('main').getByRole('button', { name: 'Đăng nhập' }).click()
      await page.waitForURL(url => !url.pathname.startsWith('/sign-in'))
    }
    return page
  }

  /** Fails when pages told faults since the last look. */
  noFaults() {
    assert.deepEqual(this.faults.splice(0), [])
  }

  async json(path) {
    const answer = await fetch(this.base + path)
    assert.equal(answer.status, 200, `GET ${path}: ${answer.status}`)
    return answer.json()
  }

  /** A picture of the screen for people to look at, when SHOTS names a folder. */
  async shot(page, name, fullPage = false) {
    if (!this.shots) return
    await pause(700)
    await page.screenshot({ path: join(this.shots, `${name}.png`), fullPage })
  }

  async close() {
    await this.browser.close()
    await this.shut()
  }
}

const TEXTS = Object.fromEntries(['common', 'citizen', 'work', 'field', 'flow', 'ioc', 'admin', 'notify', 'intake', 'dossiers', 'panels', 'incidents', 'boards', 'video', 'staff', 'traffic'].map(space => [space, JSON.parse(readFileSync(join(ROOT, `web/src/i18n/vi/${space}.json`), 'utf8'))]))

/** An interface text in Vietnamese by its key, as the pages take it (`work:title`, `nav.report`). */
export function say(key, values = {}) {
  const [space, path] = key.includes(':') ? key.split(':') : ['common', key]
  const text = path.split('.').reduce((part, name) => part?.[name], TEXTS[space])
  assert.equal(typeof text, 'string', `no text ${key}`)
  return text.replace(/{{(\w+)}}/g, (_, name) => String(values[name]))
}

/** The words of a PDF by a tool that is not ours, with single spaces; undefined where the tool is not there (in CI it must be). */
export function pdfWords(bytes, name) {
  const folder = mkdtempSync(join(tmpdir(), 'dothi-pdf-'))
  try {
    const file = join(folder, 'paper.pdf')
    writeFileSync(file, bytes)
    const out = spawnSync('pdftotext', ['-raw', '-enc', 'UTF-8', file, '-'], { encoding: 'utf8' })
    if (out.error) {
      assert.ok(!process.env.CI, 'pdftotext (poppler-utils) is needed in CI')
      console.log('skipped: pdftotext is not there (Debian: apt-get install poppler-utils)')
      return undefined
    }
    assert.deepEqual([out.status, out.stderr], [0, ''])
    if (process.env.SHOTS) writeFileSync(join(process.env.SHOTS, `${name}.pdf`), bytes)
    return out.stdout.replace(/\s+/g, ' ')
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The text of a package's file, to be put into a page. */
export function packageFile(name) {
  return readFileSync(join(ROOT, 'web/node_modules', name), 'utf8')
}

/** What is wrong with the page now, in words: language, title, one main heading, no sideways scroll, tables in line, no serious finding of axe. */
export async function lookOver(page, { lang = 'vi' } = {}) {
  const found = []
  const shape = await page.evaluate(() => ({
    lang: document.documentElement.lang,
    title: document.title,
    h1: document.querySelectorAll('h1').length,
    over: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    mute: [...document.querySelectorAll('img:not([alt])')].map(img => img.outerHTML.slice(0, 120)),
    awry: [...document.querySelectorAll('.table')].filter(table => {
      const [head, row] = ['.table-head', '.table-row'].map(line => [...(table.querySelector(line)?.children ?? [])].map(cell => cell.getBoundingClientRect().left))
      return row.length > 0 && head.some((left, i) => Math.abs(left - row[i]) > 1)
    }).map(table => table.ariaLabel),
  }))
  if (shape.lang !== lang) found.push(`lang is "${shape.lang}"`)
  if (!shape.title) found.push('no title')
  if (shape.h1 !== 1) found.push(`${shape.h1} h1`)
  if (shape.over > 0) found.push(`scrolls ${shape.over} px sideways`)
  found.push(...shape.mute.map(html => `no alt: ${html}`))
  found.push(...shape.awry.map(label => `head and rows of the table "${label}" do not line up`))
  // Tall enough that the bar at the bottom covers nothing of what is judged.
  await page.setViewportSize({ width: 360, height: 4_000 })
  await page.evaluate(packageFile('axe-core/axe.min.js'))
  const { violations } = await page.evaluate(async () => {
    // What is still rising is pale, and judged when it is there.
    const rising = document.getAnimations().filter(a => a.playState === 'running' && Number.isFinite(a.effect?.getComputedTiming().endTime))
    await Promise.race([Promise.allSettled(rising.map(a => a.finished)), new Promise(done => setTimeout(done, 3_000))])
    return globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'], resultTypes: ['violations'] })
  })
  found.push(...violations.filter(v => v.impact === 'serious' || v.impact === 'critical').map(v => `${v.id}: ${v.nodes.slice(0, 3).map(n => n.html.slice(0, 140)).join(' | ')}`))
  return found
}
