/** The alarm system: an alarm is shelved and comes back, the board tells its figures, a rule is tried, changed and taken back. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { DESK, HERE, lookOver, say, startCity, until } from './city.mjs'

const STATION = `Trạm thử tạm gác ${Date.now()}`
const CREW = `Tổ quan trắc ${Date.now()}`
const WALL = { width: 3840, height: 2160 }
const SMALL = { width: 360, height: 800 }

let city
before(async () => {
  city = await startCity()
  const urn = `urn:ngsi-ld:AirQualityObserved:shelf-${Date.now()}`
  for (let hoursAgo = 11; hoursAgo >= 0; hoursAgo--) {
    const answer = await fetch(`${city.base}/ngsi-ld/v1/entityOperations/upsert?options=update`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify([
        {
          id: urn,
          type: 'AirQualityObserved',
          name: { type: 'Property', value: STATION },
          location: { type: 'GeoProperty', value: { type: 'Point', coordinates: [HERE.longitude, HERE.latitude] } },
          pm25: { type: 'Property', value: 260, unitCode: 'GQ', observedAt: new Date(Date.now() - hoursAgo * 3_600_000).toISOString() },
        },
      ]),
    })
    assert.ok(answer.ok, `upsert: ${answer.status}`)
  }
})
after(() => city?.close())

test('an operator shelves an alarm with a reason, finds it in the list of what is set aside, and takes it back', async () => {
  const page = await city.visitor({ login: 'dieuhanh', lands: '/ioc', viewport: DESK })
  await page.waitForURL('**/ioc*')
  const alarm = page.getByRole('complementary', { name: say('ioc:left') }).getByRole('button', { name: new RegExp(`${say('severity.critical')}.*${STATION}`, 's') })
  await alarm.waitFor({ timeout: 60_000 })
  await alarm.click()
  const detail = page.getByRole('complementary', { name: say('ioc:detail') })
  await detail.getByRole('button', { name: say('ioc:shelf.shelve') }).click()
  await detail.getByLabel(say('ioc:shelf.reason')).fill('Cảm biến chờ hiệu chuẩn')
  await city.shot(page, 'alarms-01-shelve')
  await detail.getByRole('button', { name: say('ioc:shelf.shelve') }).click()
  await detail.getByRole('button', { name: say('ioc:shelf.back') }).waitFor()
  await until('it leaves the list', async () => (await alarm.count()) === 0)

  await page.goto(`${city.base}/ioc/alarms/aside`)
  await page.getByText('Cảm biến chờ hiệu chuẩn').first().waitFor()
  await city.shot(page, 'alarms-02-aside')
  await page.getByRole('button', { name: say('ioc:aside.end') }).first().click()
  await page.getByText(say('ioc:aside.ended_done')).waitFor()
  await page.goto(`${city.base}/ioc`)
  await alarm.waitFor({ timeout: 60_000 })
  city.noFaults()
  await page.context().close()
})

test('a crew is given work because of an alarm, and the order leads back to it', async () => {
  const page = await city.visitor({ login: 'canbo', lands: '/work/crews', viewport: DESK })
  await page.getByRole('button', { name: say('field:crews.new') }).click()
  const made = page.getByRole('dialog')
  await made.getByLabel(say('field:crews.name')).fill(CREW)
  await made.getByLabel('Tổ trưởng tổ chiếu sáng').check()
  await made.getByRole('button', { name: say('ui.save') }).click()
  await page.getByRole('heading', { name: CREW }).waitFor()
  await page.goto(`${city.base}/ioc`)
  const alarm = page.getByRole('complementary', { name: say('ioc:left') }).getByRole('button', { name: new RegExp(`${say('severity.critical')}.*${STATION}`, 's') })
  await alarm.waitFor({ timeout: 60_000 })
  await alarm.click()
  const detail = page.getByRole('complementary', { name: say('ioc:detail') })
  await detail.getByRole('button', { name: say('ioc:work.give') }).click()
  const dialog = page.getByRole('dialog')
  assert.match(await dialog.getByLabel(say('ioc:work.what')).inputValue(), new RegExp(STATION))
  await dialog.getByLabel(say('ioc:work.crew')).waitFor()
  await city.shot(page, 'alarms-06-work')
  await dialog.getByRole('button', { name: say('ioc:work.do'), exact: true }).click()
  const order = detail.getByRole('link', { name: new RegExp(STATION) })
  await order.waitFor()
  await order.click()
  await page.waitForURL('**/work/field/**')
  await page.getByRole('link', { name: say('field:open_alarm') }).click()
  await page.waitForURL('**/ioc?alarm=*')
  city.noFaults()
  await page.context().close()
})

for (const [name, path] of [['figures', '/ioc/alarms/figures?days=31'], ['aside', '/ioc/alarms/aside']]) {
  test(`the page of ${name} is read on a phone, a desk and a wall, and by everybody`, async () => {
    const page = await city.visitor({ login: 'dieuhanh', lands: path, viewport: DESK })
    await page.goto(city.base + path)
    await page.getByRole('heading', { level: 1 }).waitFor()
    await page.waitForLoadState('networkidle').catch(() => undefined)
    for (const [size, viewport] of Object.entries({ desk: DESK, wall: WALL, phone: SMALL })) {
      await page.setViewportSize(viewport)
      await city.shot(page, `alarms-${name}-${size}`, size !== 'wall')
    }
    assert.deepEqual(await lookOver(page), [])
    city.noFaults()
    await page.context().close()
  })
}

test('a chart that was not drawn anew yet does not widen the page', async () => {
  const page = await city.visitor({ login: 'dieuhanh', lands: '/ioc/alarms/figures?days=31', viewport: DESK })
  await page.addInitScript(() => (globalThis.ResizeObserver = class { observe() {} unobserve() {} disconnect() {} }))
  await page.goto(`${city.base}/ioc/alarms/figures?days=31`)
  await page.locator('.chart svg').first().waitFor()
  await page.setViewportSize(SMALL)
  const [drawn, over] = await page.evaluate(() => [Number(document.querySelector('.chart svg').getAttribute('width')), document.documentElement.scrollWidth - document.documentElement.clientWidth])
  assert.ok(drawn > SMALL.width, `it was drawn anew, ${drawn} px wide`)
  assert.equal(over, 0)
  await page.context().close()
})

test('a rule is tried on last month, changed with a reason, and taken back', async () => {
  const page = await city.visitor({ login: 'admin', lands: '/admin/rules', viewport: DESK })
  await page.goto(`${city.base}/admin/rules`)
  await page.getByText('air.pm25.day').first().click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('button', { name: say('admin:rules.change') }).click()
  await dialog.getByLabel(say('admin:rules.on_delay')).fill('600')
  await dialog.getByRole('button', { name: say('admin:rules.try') }).click()
  await dialog.getByRole('status').waitFor({ timeout: 60_000 })
  await city.shot(page, 'alarms-03-tried')
  await dialog.getByLabel(say('admin:rules.reason')).fill('Bỏ qua đỉnh ngắn')
  await dialog.getByRole('button', { name: say('admin:rules.save') }).click()
  await dialog.getByText('Bỏ qua đỉnh ngắn').waitFor()
  await city.shot(page, 'alarms-04-versions')
  await page.setViewportSize(SMALL)
  await city.shot(page, 'alarms-05-versions-phone')
  await page.setViewportSize(DESK)
  await dialog.getByRole('button', { name: say('admin:rules.revert_pack') }).click()
  await dialog.getByText(say('admin:rules.revert_reason', { n: 0 })).waitFor()
  city.noFaults()
  await page.context().close()
})
