/**
 * The operations map with a whole city on it: 50,000 things, what changes, the past, drawing to select. Times are printed; bytes are held to.
 * LIVEMAP_THINGS sets how many (default 50,000).
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { DESK, lookOver, say, startCity, until } from './city.mjs'

const THINGS = Number(process.env.LIVEMAP_THINGS ?? 50_000)
const BATCH = 1_000
const KIND = 'WaterObserved'
const WALL = { width: 3840, height: 2160 }
const SMALL = { width: 360, height: 800 }
const MEGABYTE = 1_000_000
const MINUTE = 60_000

let city
let serial = 12_345
/** The upper digits: the lower ones repeat soon, and what repeats takes no room on the wire. */
const chance = n => Math.floor(((serial = (serial * 16_807) % 2_147_483_647) / 2_147_483_647) * n)

function thing(i, place, at = Date.now()) {
  return {
    id: `urn:ngsi-ld:${KIND}:kenh-${String(i).padStart(6, '0')}`,
    type: KIND,
    height: { type: 'Property', value: chance(400) / 100, unitCode: 'MTR', observedAt: new Date(at).toISOString() },
    ...(place ? { name: { type: 'Property', value: `Cống Đồng Tâm ${i}` }, location: { type: 'GeoProperty', value: { type: 'Point', coordinates: [106.0 + chance(45_000) / 1e5, 20.25 + chance(50_000) / 1e5] } } } : {}),
  }
}

async function put(things) {
  const answer = await fetch(`${city.base}/ngsi-ld/v1/entityOperations/upsert?options=update`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(things) })
  assert.ok(answer.ok, `upsert: ${answer.status}`)
}

before(async () => {
  city = await startCity()
  for (let from = 0; from < THINGS; from += BATCH) await put(Array.from({ length: Math.min(BATCH, THINGS - from) }, (_, n) => thing(from + n, true)))
  // A past for a few of them, minute by minute.
  for (let ago = 50; ago > 0; ago -= 5) await put(Array.from({ length: 200 }, (_, n) => thing(n, false, Date.now() - ago * MINUTE)))
})
after(() => city?.close())

async function opened(page, path = '/ioc') {
  await page.goto(city.base + path)
  const live = page.locator('.live')
  await until('the layers are drawn', () => live.getAttribute('data-drawn').catch(() => null), 120_000)
  return live
}

test(`${THINGS} things are on the map, within a megabyte, and then only what changes`, async t => {
  const page = await city.visitor({ login: 'dieuhanh', lands: '/work', viewport: DESK })
  const wire = []
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('Network.enable')
  const urls = new Map()
  devtools.on('Network.responseReceived', ({ requestId, response }) => urls.set(requestId, response.url))
  devtools.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    const url = urls.get(requestId) ?? ''
    if (url.includes('/api/context/map/layers/')) wire.push({ url, bytes: encodedDataLength })
  })
  const live = await opened(page)
  const [things, ms] = [Number(await live.getAttribute('data-things')), Number(await live.getAttribute('data-drawn'))]
  const bytes = wire.filter(w => !w.url.includes('since=')).reduce((sum, w) => sum + w.bytes, 0)
  t.diagnostic(`${things} things drawn ${ms} ms after the page began; ${bytes} bytes of layers on the wire`)
  console.log(`livemap: ${things} things drawn ${ms} ms after the page began; ${bytes} bytes of layers on the wire`)
  assert.ok(things >= THINGS)
  assert.ok(bytes > 0 && bytes <= MEGABYTE * Math.max(1, THINGS / 50_000), `${bytes} bytes`)
  assert.ok(ms < 60_000, 'generously: a busy machine without a graphics card')
  await city.shot(page, 'livemap-01-desk')

  wire.length = 0
  await put(Array.from({ length: 100 }, (_, n) => thing(n, false)))
  const change = await until('the change comes', () => wire.find(w => w.url.includes('since=') && w.bytes > 300), 30_000)
  console.log(`livemap: 100 reports came as ${change.bytes} bytes`)
  assert.ok(change.bytes < 20_000)
  city.noFaults()
  await page.context().close()
})

test('a thing is found by its name without diacritics, and opened', async () => {
  const page = await city.visitor({ login: 'dieuhanh', lands: '/work', viewport: DESK })
  await opened(page)
  await page.getByRole('button', { name: say('ioc:live.find') }).click()
  await page.getByRole('searchbox', { name: say('ioc:live.find') }).fill('cong dong tam 77')
  await page.getByRole('list', { name: say('ioc:live.found') }).getByRole('button').first().click()
  await page.getByRole('complementary', { name: say('ioc:detail') }).getByRole('heading', { name: /Cống Đồng Tâm 77/ }).waitFor()
  await city.shot(page, 'livemap-02-found')
  city.noFaults()
  await page.context().close()
})

test('the past is played, says that it is the past, and is left again', async () => {
  const page = await city.visitor({ login: 'dieuhanh', lands: '/work', viewport: DESK })
  await opened(page)
  await page.getByRole('button', { name: say('ioc:live.replay') }).click()
  const bar = page.getByRole('region', { name: say('ioc:live.replay') })
  const banner = page.getByText(say('ioc:live.past'))
  await banner.waitFor()
  const slider = bar.getByRole('slider', { name: say('ioc:live.slider') })
  const before = Number(await slider.inputValue())
  await slider.focus()
  await page.keyboard.press('ArrowLeft')
  assert.equal(Number(await slider.inputValue()), before - MINUTE, 'by the keyboard')
  await until('values have come', async () => !(await page.locator('.live-past').textContent()).includes(say('ui.loading')), 60_000)
  await city.shot(page, 'livemap-03-past')
  for (let n = 0; n < 20; n++) await page.keyboard.press('ArrowLeft')
  const from = Number(await slider.inputValue())
  await bar.getByRole('button', { name: say('ioc:live.play') }).click()
  await until('time passes', async () => Number(await slider.inputValue()) > from + MINUTE)
  await bar.getByRole('button', { name: say('ioc:live.pause') }).click()
  await until('the address tells the moment', () => page.url().includes('at='))
  await bar.getByRole('button', { name: say('ioc:live.now') }).click()
  await banner.waitFor({ state: 'detached' })
  await until('the address forgets it', () => !page.url().includes('at='))
  city.noFaults()
  await page.context().close()
})

test('what is drawn around is counted, summed up and listed', async () => {
  const page = await city.visitor({ login: 'dieuhanh', lands: '/work', viewport: DESK })
  const live = await opened(page)
  await page.getByRole('button', { name: say('ioc:live.select_box') }).click()
  const box = await live.boundingBox()
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2]
  await page.mouse.move(x - 90, y - 90)
  await page.mouse.down()
  await page.mouse.move(x + 90, y + 90, { steps: 4 })
  await page.mouse.up()
  const panel = page.getByRole('region', { name: say('ioc:live.selected'), exact: true })
  await panel.getByText(say('ioc:live.mean')).first().waitFor()
  await panel.getByRole('button', { name: say('ioc:live.list') }).click()
  await panel.getByRole('list', { name: say('ioc:live.selected') }).getByRole('button').first().waitFor()
  await city.shot(page, 'livemap-04-selected')
  await panel.getByRole('list', { name: say('ioc:live.selected') }).getByRole('button').first().click()
  await page.getByRole('complementary', { name: say('ioc:detail') }).getByRole('heading', { level: 2 }).waitFor()
  // Without drawing: what is in view.
  await page.getByRole('button', { name: say('ioc:live.select_view') }).click()
  await panel.waitFor()
  city.noFaults()
  await page.context().close()
})

test('layers are switched, told in the address, and kept; the legend filters', async () => {
  const page = await city.visitor({ login: 'dieuhanh', lands: '/work', viewport: DESK })
  await opened(page)
  const layers = page.getByRole('region', { name: say('ioc:live.layers') })
  const unfold = () => layers.getByRole('button', { name: say('ioc:live.layers') }).click()
  await unfold()
  await layers.getByRole('checkbox', { name: /Mực nước/ }).uncheck()
  await until('the address tells', () => page.url().includes('off=water'))
  await opened(page, '/ioc')
  await unfold()
  assert.equal(await layers.getByRole('checkbox', { name: /Mực nước/ }).isChecked(), false, 'kept for this person')
  await layers.getByRole('checkbox', { name: /Mực nước/ }).check()
  await layers.getByRole('button', { name: say('ioc:live.heat') }).first().click()
  await city.shot(page, 'livemap-05-heat')
  await layers.getByRole('button', { name: say('thing.silent') }).first().click()
  assert.equal(await layers.getByRole('button', { name: say('thing.silent') }).first().getAttribute('aria-pressed'), 'false')
  city.noFaults()
  await page.context().close()
})

for (const [lang, theme] of [['vi', 'dark'], ['en', 'light']]) {
  test(`it is read on a phone, a desk and a wall (${lang}, ${theme}), now and in the past`, async () => {
    const page = await city.visitor({ login: 'dieuhanh', lands: '/work', viewport: DESK })
    await page.evaluate(([language, look]) => { localStorage.setItem('dothi.language', language); localStorage.setItem('dothi.theme', look) }, [lang, theme])
    for (const past of [false, true]) {
      await opened(page, `/ioc?lang=${lang}${past ? `&at=${new Date(Date.now() - 10 * MINUTE).toISOString()}` : ''}`)
      for (const [size, viewport] of Object.entries({ phone: SMALL, desk: DESK, wall: WALL })) {
        await page.setViewportSize(viewport)
        await city.shot(page, `livemap-${lang}-${theme}-${past ? 'past' : 'now'}-${size}`)
      }
      assert.deepEqual(await lookOver(page, { lang }), [])
      await page.setViewportSize(DESK)
    }
    city.noFaults()
    await page.context().close()
  })
}
