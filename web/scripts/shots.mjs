/**
 * Screenshots of the screens for looking at them: `npm run shots [-- filter]`, against DOTHI_URL (a mock or a real server).
 * CHROMIUM names the browser (default /usr/bin/chromium), SHOTS the folder (default ./shots), DOTHI_LOGIN and DOTHI_PASSWORD the officer.
 */
import { mkdirSync } from 'node:fs'
import { chromium } from 'playwright-core'

const base = process.env.DOTHI_URL ?? 'http://127.0.0.1:8080'
const out = process.env.SHOTS ?? 'shots'
const only = process.argv[2]
const SIZES = { phone: { width: 360, height: 800 }, desktop: { width: 1440, height: 900 }, wall: { width: 3840, height: 2160 } }
mkdirSync(out, { recursive: true })

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--ignore-gpu-blocklist'] })

async function shot(name, path, { size = 'desktop', theme = 'light', lang = 'vi', login, act, wait = 1200, full = false } = {}) {
  if (only && !name.includes(only)) return
  const context = await browser.newContext({ viewport: SIZES[size], locale: lang === 'vi' ? 'vi-VN' : 'en-GB', timezoneId: 'Asia/Ho_Chi_Minh', serviceWorkers: 'block', permissions: [] })
  await context.addInitScript(([t, l]) => { localStorage.setItem('dothi.theme', t); localStorage.setItem('dothi.language', l) }, [theme, lang])
  const page = await context.newPage()
  const faults = []
  page.on('pageerror', e => faults.push(e.message))
  page.on('console', m => m.type() === 'error' && faults.push(m.text()))
  if (login) {
    const answer = await page.request.post(`${base}/api/access/sign-in`, { data: { login: process.env.DOTHI_LOGIN ?? login, password: process.env.DOTHI_PASSWORD ?? 'x' } })
    if (!answer.ok()) console.log(`${name}: sign-in ${answer.status()}`)
  }
  await page.goto(base + path, { waitUntil: 'load' })
  await page.waitForTimeout(wait)
  if (act) await act(page)
  await page.screenshot({ path: `${out}/${name}.png`, fullPage: full })
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  console.log(name, over > 0 ? `OVERFLOW ${over}px` : 'ok', faults.length ? faults.slice(0, 3) : '')
  if (login) await page.request.post(`${base}/api/access/sign-out`)
  await context.close()
}

const first = await (await fetch(`${base}/api/cases/public?limit=20&phase=solved`)).json().catch(() => ({ items: [] }))
const code = first.items?.find(item => item.answer)?.code ?? first.items?.[0]?.code ?? 'HY-7K2M9P'
const openCase = async page => { await page.locator('.board-row', { hasText: new RegExp(process.env.DOTHI_STATE ?? 'Đang xử lý|In progress') }).first().click(); await page.waitForTimeout(2500) }
const toWords = async page => { await page.getByRole('button', { name: /không có ảnh|without a photo/ }).click(); await page.waitForTimeout(2500) }

await shot('home-phone', '/', { size: 'phone', full: true })
await shot('home-desktop', '/', { full: true })
await shot('home-dark-en', '/', { theme: 'dark', lang: 'en', full: true })
await shot('report-photo-phone', '/report', { size: 'phone' })
await shot('report-place-phone', '/report', { size: 'phone', act: toWords })
await shot('report-words-phone', '/report', { size: 'phone', full: true, act: async page => { await toWords(page); await page.locator('.place-search input').fill('pho hien'); await page.waitForTimeout(600); await page.locator('.place-hits button').first().click(); await page.waitForTimeout(2500); await page.locator('.place-bar button').click(); await page.waitForTimeout(800); await page.locator('textarea').fill('Rác thải chất đống trước cổng chợ'); await page.waitForTimeout(500) } })
await shot('case-desktop', `/r/${code}`, { full: true, wait: 3000 })
await shot('case-phone', `/r/${code}`, { size: 'phone', full: true, wait: 3000 })
await shot('map-desktop', '/map', { wait: 4000 })
await shot('map-phone', '/map', { size: 'phone', wait: 4000 })
await shot('map-air-dark', '/map', { theme: 'dark', wait: 3000, act: async page => { await page.locator('.map-over label').nth(1).click(); await page.waitForTimeout(2500) } })
await shot('map-nation', '/map', { wait: 3000, act: async page => { for (let i = 0; i < 4; i++) { await page.locator('.maplibregl-ctrl-zoom-out').click(); await page.waitForTimeout(600) } await page.waitForTimeout(1500) } })
await shot('mine-phone', '/mine', { size: 'phone' })
await shot('sign-in', '/sign-in', { size: 'phone' })
await shot('air-desktop', '/air', {})
await shot('work-desktop', '/work', { login: 'canbo' })
await shot('work-dark-en', '/work', { login: 'canbo', theme: 'dark', lang: 'en' })
await shot('work-phone', '/work', { login: 'canbo', size: 'phone' })
await shot('work-case', '/work', { login: 'canbo', full: true, act: openCase })
await shot('work-case-phone', '/work', { login: 'canbo', size: 'phone', full: true, act: openCase })
await shot('work-move', '/work', { login: 'canbo', act: async page => { await openCase(page); await page.locator('.moves button').first().click(); await page.waitForTimeout(600) } })
await browser.close()
