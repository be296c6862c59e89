/**
 * Boards: one is made from a template by keyboard alone, gets a figure and a chart, is shared; another person sees it with own
 * rights; it hangs on a wall of 3840 × 2160 and says when the connection is lost; a screen without a keyboard comes with a link.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { DESK, lookOver, say, startCity, until } from './city.mjs'

const WALL = { width: 3840, height: 2160 }
const SMALL = { width: 360, height: 800 }
const NAME = `Bảng ca trực ${Date.now()}`

let city
let board
before(async () => {
  city = await startCity()
})
after(() => city?.close())

/** Words of what has the focus. */
const focused = page => page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent ?? '')

/** Tab until what has the focus says `words`; focus that is lost or goes in circles fails. */
async function tabTo(page, words, most = 80) {
  for (let i = 0; i < most; i += 1) {
    if ((await focused(page)).includes(words)) return
    await page.keyboard.press('Tab')
  }
  assert.fail(`no focus on «${words}» after ${most} tabs; it is on «${await focused(page)}»`)
}

test('a person makes a board from a template by keyboard only, adds a figure and a chart, and shares it', async () => {
  const page = await city.visitor({ login: 'dieuhanh', lands: '/ioc/boards', viewport: DESK })
  await page.getByRole('heading', { level: 1, name: say('boards:title') }).waitFor()
  // Everything from here on by keys.
  await page.keyboard.press('?')
  await page.getByRole('dialog', { name: say('staff:keys.title') }).waitFor()
  await city.shot(page, 'boards-01-keys')
  await page.keyboard.press('Escape')
  await page.keyboard.press('n')
  const dialog = page.getByRole('dialog', { name: say('boards:new.title') })
  await dialog.getByRole('heading', { name: say('boards:new.templates') }).waitFor()
  await dialog.getByRole('button', { name: /Phòng trực/ }).waitFor()
  await city.shot(page, 'boards-02-new')
  await tabTo(page, say('boards:name'), 6).catch(() => undefined)
  await dialog.getByLabel(say('boards:name')).focus()
  await page.keyboard.type(NAME)
  await tabTo(page, 'Phòng trực')
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/ioc\/boards\/[0-9a-f-]{36}\?edit=1/)
  board = new URL(page.url()).pathname.split('/').at(-1)

  // A figure by the palette of widgets.
  await page.getByRole('button', { name: say('boards:edit.add') }).first().waitFor()
  await page.keyboard.press('n')
  await page.getByRole('dialog', { name: say('boards:edit.add') }).waitFor()
  await tabTo(page, say('boards:kind.figure.name'), 6)
  await city.shot(page, 'boards-03-kinds')
  await page.keyboard.press('Enter')
  const figure = page.getByRole('group', { name: new RegExp(`^${say('boards:count.alarms-waiting')}, .*`) }).last()
  await figure.waitFor()
  await until('the new widget has the focus', async () => (await focused(page)).startsWith(say('boards:count.alarms-waiting')))
  const before = await focused(page)
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('Shift+ArrowRight')
  assert.notEqual(await focused(page), before, 'it says where it is now')
  assert.match(await page.getByRole('status').first().textContent(), /cột 2, hàng \d+, rộng 4/)
  await page.keyboard.press('Control+z')
  await page.keyboard.press('Control+z')
  assert.equal(await focused(page), before, 'both steps are taken back, and the focus stays')

  // A chart: nothing is typed but words that are searched for.
  await page.keyboard.press('n')
  await page.getByRole('dialog', { name: say('boards:edit.add') }).waitFor()
  await tabTo(page, say('boards:kind.chart.name'), 8)
  await page.keyboard.press('Enter')
  const settings = page.getByRole('dialog')
  const search = settings.getByRole('searchbox')
  await search.waitFor()
  await search.focus()
  await page.keyboard.type('tram')
  await settings.locator('.hits button').first().waitFor()
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await settings.locator('.hits[aria-label]').locator('button small').first().waitFor()
  await until('the focus went on with the search', () => page.evaluate(() => Boolean(document.activeElement?.closest('.hits'))))
  await page.keyboard.press('Enter')
  await settings.locator('.picked li').first().waitFor()
  await city.shot(page, 'boards-04-chart-settings')
  await page.keyboard.press('Escape')
  await until('the chart has the focus', async () => (await focused(page)).startsWith(say('boards:kind.chart.name')))

  // Shared with everybody in office, and kept.
  await page.getByRole('button', { name: say('boards:share.title') }).focus()
  await page.keyboard.press('Enter')
  await page.getByRole('dialog', { name: say('boards:share.title') }).getByRole('radio', { name: say('boards:share.me') }).focus()
  for (let i = 0; i < 3; i += 1) await page.keyboard.press('ArrowRight')
  await page.keyboard.press('Escape')
  await page.keyboard.press('Control+s')
  await page.getByText(say('boards:edit.saved')).first().waitFor()
  await city.shot(page, 'boards-05-editor', true)
  assert.deepEqual(await lookOver(page), [])
  await page.setViewportSize(DESK)
  await page.goto(`${city.base}/ioc/boards/${board}`)
  await page.getByRole('heading', { level: 1, name: NAME }).waitFor()
  await page.waitForLoadState('networkidle').catch(() => undefined)
  for (const [name, viewport] of Object.entries({ desk: DESK, phone: SMALL })) {
    await page.setViewportSize(viewport)
    await city.shot(page, `boards-06-board-${name}`, true)
  }
  assert.deepEqual(await lookOver(page), [])
  await page.setViewportSize(DESK)
  await page.goto(`${city.base}/ioc/boards/${board}?theme=light&lang=en`)
  await page.getByRole('heading', { level: 1, name: NAME }).waitFor()
  await city.shot(page, 'boards-07-light-en', true)
  city.noFaults()
  await page.context().close()
})

test('the palette finds screens, things, cases and incidents without diacritics, and leads there', async () => {
  const page = await city.visitor({ login: 'dieuhanh', lands: '/ioc/boards', viewport: DESK })
  await page.getByRole('heading', { level: 1 }).waitFor()
  await page.keyboard.press('Control+k')
  const palette = page.getByRole('dialog', { name: say('staff:keys.palette') })
  await palette.getByRole('combobox').waitFor()
  await palette.getByRole('option', { name: NAME }).waitFor()
  // Enter right after the last letter opens what these words find, not what stood first before them.
  await page.keyboard.type('bang ca truc')
  assert.equal(await palette.getByRole('option', { selected: true }).textContent(), NAME)
  await city.shot(page, 'boards-08-palette')
  await page.keyboard.press('Enter')
  await page.waitForURL(`**/ioc/boards/${board}`)
  // A jump by two letters; the focus is on the page, not lost.
  await page.keyboard.press('g')
  await page.keyboard.press('i')
  await page.waitForURL('**/ioc/incidents')
  await until('the focus is somewhere', () => page.evaluate(() => document.activeElement !== document.body))
  city.noFaults()
  await page.context().close()
})

test('another person sees the board with own rights', async () => {
  const page = await city.visitor({ login: 'canbo', lands: '/ioc/boards', viewport: DESK })
  await page.getByRole('link', { name: NAME }).click()
  await page.getByRole('heading', { level: 1, name: NAME }).waitFor()
  assert.equal(await page.getByRole('button', { name: say('boards:do.edit') }).count(), 0, 'it is not theirs to change')
  assert.equal(await page.getByRole('button', { name: say('boards:do.copy') }).count(), 1)
  const answer = await page.evaluate(id => fetch(`/api/oversight/boards/${id}`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{}' }).then(r => r.status), board)
  assert.ok(answer >= 400, `refused: ${answer}`)
  await city.shot(page, 'boards-09-other')
  city.faults.splice(0)
  await page.context().close()
})

test('a board hangs on a wall and says when the connection is lost', async () => {
  const page = await city.visitor({ login: 'dieuhanh', lands: `/ioc/boards/${board}?wall=1`, viewport: WALL })
  await page.getByRole('heading', { level: 1, name: NAME }).waitFor()
  await page.waitForLoadState('networkidle').catch(() => undefined)
  const small = await page.evaluate(() => {
    const texts = [...document.querySelectorAll('.wall-page *')].filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) && e.checkVisibility() && !e.closest('.visually-hidden, svg, .maplibregl-map'))
    return texts.filter(e => parseFloat(getComputedStyle(e).fontSize) < 20).map(e => `${e.className || e.tagName} ${getComputedStyle(e).fontSize} ${e.textContent.slice(0, 30)}`)
  })
  assert.deepEqual(small, [], 'type of 20 px and more')
  assert.equal(await page.getByRole('button').filter({ visible: true }).count(), await page.locator('.maplibregl-map button, .map button').filter({ visible: true }).count(), 'nothing to press but the map')
  const over = await page.evaluate(() => document.documentElement.scrollHeight - innerHeight)
  assert.ok(over <= 0, `fits: ${over}`)
  await city.shot(page, 'boards-10-wall')
  await page.context().setOffline(true)
  await page.getByRole('alert').filter({ hasText: say('boards:wall.lost', { at: '' }).slice(0, 12) }).waitFor({ timeout: 90_000 })
  await city.shot(page, 'boards-11-wall-lost')
  await page.context().setOffline(false)
  await until('it comes back by itself', async () => (await page.getByRole('alert').count()) === 0, 90_000)
  city.faults.splice(0)
  await page.context().close()
})

test('a screen without a keyboard comes with a link, reads its boards only, and is sent away', async () => {
  const admin = await city.visitor({ login: 'admin', lands: '/ioc/boards', viewport: DESK })
  await admin.getByRole('button', { name: say('boards:walls.new') }).click()
  const dialog = admin.getByRole('dialog', { name: say('boards:walls.new') })
  await dialog.getByLabel(say('boards:walls.name')).fill('Phòng trực tầng 2')
  await dialog.getByRole('checkbox', { name: NAME }).check()
  await dialog.getByRole('button', { name: say('boards:walls.make') }).click()
  const link = (await dialog.locator('pre').textContent()).trim()
  assert.match(link, /\/ioc\/wall#[0-9a-f]{32,}$/)
  await dialog.getByRole('button', { name: say('ui.close') }).last().click()
  await city.shot(admin, 'boards-12-walls', true)

  const screen = await city.visitor({ viewport: WALL })
  await screen.goto(link)
  await screen.getByRole('heading', { level: 1, name: NAME }).waitFor()
  assert.equal(await screen.evaluate(() => location.hash), '', 'the secret leaves the address')
  await city.shot(screen, 'boards-13-wall-link')
  const asks = (path, method = 'GET') => screen.evaluate(([p, m]) => fetch(p, { method: m }).then(r => r.status), [path, method])
  assert.equal(await asks(`/api/oversight/boards/${board}`), 200)
  for (const path of ['/api/oversight/boards', '/api/oversight/walls', '/api/access/people', '/api/cases/00000000-0000-7000-8000-000000000001']) assert.ok((await asks(path)) >= 400, path)
  assert.ok((await asks('/api/oversight/boards', 'POST')) >= 400)

  await admin.getByRole('button', { name: say('boards:walls.end') }).first().click()
  await admin.getByText(say('boards:walls.ended')).waitFor()
  await until('the screen has no more rights', async () => (await asks(`/api/oversight/boards/${board}`)) === 401)
  await screen.reload()
  await screen.getByText(say('boards:wall.ended')).first().waitFor()
  await city.shot(screen, 'boards-14-wall-ended')
  city.faults.splice(0)
  await admin.context().close()
  await screen.context().close()
})
