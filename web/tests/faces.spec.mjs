/**
 * The two main walks and the portal's form, seen as people see them: a real city, a real browser (`npm run test:browser`).
 * A report from a citizen's phone to the public answer and the scorecard; an alarm from a reading to the operator who took note of it.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { DESK, HERE, PHONE, lookOver, picture, say, startCity, until } from './city.mjs'

let city
before(async () => {
  city = await startCity()
})
after(() => city?.close())

const PHOTO = { name: 'hien-truong.png', mimeType: 'image/png', buffer: picture(200, 120, 60) }
const AFTER = { name: 'da-xong.png', mimeType: 'image/png', buffer: picture(70, 160, 90) }
const PHONE_NUMBER = '0912345678'
const REPORTER = 'Trần Thị Thử Nghiệm'
const SATISFACTION = '/api/oversight/indicators/van-hanh/PA.03?area=33'

/** What the report's walk learns on its way. */
const report = { words: `Rác chất đống cạnh cổng chợ, bốc mùi từ sáng (${Date.now()})`, answer: 'Tổ vệ sinh đã dọn xong lúc 9 giờ sáng nay và đặt thêm hai thùng rác.' }

test('a citizen sends a report with photo and place in four taps and can follow it', async t => {
  const page = await city.visitor({ viewport: PHONE, here: HERE })
  await page.goto(city.base)
  await page.getByRole('heading', { level: 1 }).waitFor()
  await city.shot(page, 'walk1-01-home', true)
  const tile = page.getByRole('main').getByRole('link', { name: /rác/i }).first()
  await tile.click()
  await page.waitForURL('**/report?category=*')

  let taps = 0
  const tap = async (target, act = found => found.click()) => {
    taps += 1
    await act(target)
  }
  await city.shot(page, 'walk1-02-photo')
  await tap(page.getByLabel(say('citizen:report.take_photo')), found => found.setInputFiles(PHOTO))
  await page.getByRole('heading', { name: say('citizen:report.title.place') }).waitFor()
  // The position comes from the phone; the place is named before it is confirmed.
  await page.getByText('Phường Thái Bình').first().waitFor()
  await city.shot(page, 'walk1-03-place')
  await tap(page.getByRole('button', { name: say('citizen:report.here') }))
  await tap(page.getByLabel(say('citizen:report.words')))
  await page.keyboard.type(report.words)
  await city.shot(page, 'walk1-04-words', true)
  // Contact is optional and costs taps of its own; it is given here to see that it stays hidden.
  await page.getByText(say('citizen:report.contact')).click()
  await page.getByLabel(say('access.name')).fill(REPORTER)
  await page.getByLabel(say('access.phone')).fill(PHONE_NUMBER)
  await tap(page.getByRole('button', { name: say('citizen:report.send'), exact: true }))
  await page.getByRole('heading', { name: say('citizen:sent.title') }).waitFor()
  assert.ok(taps <= 4, `photo, place, words, send took ${taps} taps`)
  await city.shot(page, 'walk1-05-sent')

  await page.getByRole('link', { name: say('citizen:sent.follow') }).click()
  await page.waitForURL('**/t/HY-*')
  const address = new URL(page.url())
  report.code = address.pathname.slice(3)
  report.tracking = address.pathname + address.hash
  assert.match(report.code, /^HY-[0-9A-Z]{6}$/)
  assert.ok(address.hash.length > 8, 'the key is in the fragment, which browsers do not send')
  await page.getByText(report.code).first().waitFor()
  await page.getByText(report.words).waitFor()
  await city.shot(page, 'walk1-06-tracking', true)
  t.diagnostic(`report ${report.code}`)
  city.noFaults()
  await page.context().close()
})

test('a stranger sees neither words nor photo before the centre let them through', async () => {
  const seen = JSON.stringify(await city.json(`/api/cases/public/${report.code}`))
  for (const secret of [report.words, REPORTER, PHONE_NUMBER]) assert.ok(!seen.includes(secret), `public: ${secret}`)
})

/** Opens the case at the desk of `login`, makes the move named, and gives the page. */
async function make(login, step, fill = async () => {}) {
  const page = await city.visitor({ login, lands: '/work' })
  await page.waitForURL('**/work*')
  await city.shot(page, `walk1-desk-${login}`)
  await page.getByRole('searchbox').fill(report.code)
  await page.getByRole('link', { name: new RegExp(report.code) }).click()
  await page.getByRole('heading', { name: say('work:case.moves') }).waitFor()
  await city.shot(page, `walk1-case-${login}`, true)
  await page.getByRole('button', { name: step }).click()
  const dialog = page.getByRole('dialog')
  await dialog.waitFor()
  await fill(dialog)
  await city.shot(page, `walk1-move-${login}`)
  await dialog.getByRole('button', { name: step }).click()
  await dialog.waitFor({ state: 'hidden' })
  return page
}

test('the centre accepts, the officer takes and answers, the leader approves', async t => {
  await t.test('the centre accepts', async () => {
    const page = await make('truongca', 'Tiếp nhận và chuyển xử lý')
    await page.getByText('Đã chuyển đơn vị xử lý').first().waitFor()
    city.noFaults()
    await page.context().close()
  })
  await t.test('the officer of the commune takes it and answers with a photo', async () => {
    const page = await make('canbo', 'Nhận xử lý')
    const step = page.getByRole('button', { name: 'Trình trả lời' })
    await step.click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel(say('work:move.answer')).fill(report.answer)
    await dialog.locator('input[type=file]').setInputFiles(AFTER)
    await dialog.getByRole('img').first().waitFor()
    await city.shot(page, 'walk1-answer')
    await dialog.getByRole('button', { name: 'Trình trả lời' }).click()
    await dialog.waitFor({ state: 'hidden' })
    await page.getByText('Chờ duyệt trả lời').first().waitFor()
    assert.equal(await page.getByRole('button', { name: /^Duyệt/ }).count(), 0, 'who answers does not approve')
    city.noFaults()
    await page.context().close()
  })
  await t.test('another commune does not see it', async () => {
    const page = await city.visitor({ login: 'canbo2', lands: '/work' })
    const found = await page.request.get(`${city.base}/api/cases?view=all&q=${report.code}`)
    assert.deepEqual((await found.json()).items, [])
    await page.context().close()
  })
  await t.test('the leader approves', async () => {
    const page = await make('lanhdaoxa', 'Duyệt: đã xử lý xong')
    await page.getByText('Đã xử lý xong').first().waitFor()
    city.noFaults()
    await page.context().close()
  })
})

test('the public page shows answer and photo, and nothing of the reporter', async () => {
  const page = await city.visitor({ viewport: PHONE })
  await page.goto(`${city.base}/r/${report.code}`)
  await page.getByText(report.answer).waitFor()
  const done = page.getByRole('img', { name: say('citizen:case.photo_after', { n: 1 }) }).first()
  await done.waitFor()
  await until('the photo of the result is drawn', () => done.evaluate(img => img.complete && img.naturalWidth > 0))
  const text = await page.content()
  for (const secret of [REPORTER, PHONE_NUMBER]) assert.ok(!text.includes(secret), `public page: ${secret}`)
  assert.equal(await page.getByText(say('citizen:case.rate')).count(), 0, 'only who reported rates')
  await city.shot(page, 'walk1-07-public', true)
  city.noFaults()
  await page.context().close()
})

test('the reporter rates, and the scorecard of the leaders follows', async () => {
  const before = await city.json(SATISFACTION)
  const rated = before.indicator.value?.denominator ?? 0
  const page = await city.visitor({ viewport: PHONE })
  await page.goto(city.base + report.tracking)
  await page.getByLabel(say('ui.stars', { n: 5 })).check({ force: true })
  await page.getByLabel(say('citizen:case.why')).fill('Dọn sạch, nhanh.')
  await city.shot(page, 'walk1-08-rating', true)
  await page.getByRole('button', { name: say('citizen:case.send_rating') }).click()
  await page.getByText(say('citizen:case.rated')).waitFor()
  city.noFaults()
  await page.context().close()

  const evidence = await until('the satisfaction figure counts the rating', async () => {
    const now = await city.json(SATISFACTION)
    return JSON.stringify(now.evidence ?? []).includes(report.code) && now
  })
  assert.ok((evidence.indicator.value?.denominator ?? 0) > rated, 'one rating more than before')
  const card = await city.json('/api/oversight/scorecard?set=van-hanh&area=33')
  const figure = card.groups.flatMap(group => group.indicators).find(one => one.code === 'PA.03')
  assert.equal(figure.value.status, 'computed')

  const lead = await city.visitor({ login: 'chutich', lands: '/lead?set=van-hanh' })
  await lead.waitForURL('**/lead*')
  await lead.getByText(figure.name).first().waitFor()
  await lead.getByText(new RegExp(`^${Math.trunc(figure.value.number)}(,\\d+)?\\s%`)).first().waitFor()
  await city.shot(lead, 'walk1-09-lead')
  city.noFaults()
  await lead.context().close()
})

// --- the operator ---------------------------------------------------------------------------------------------------

const number = Date.now() % 1_000_000
const urn = `urn:ngsi-ld:AirQualityObserved:thu-${number}`
const STATION = `Trạm thử ${number}`

/** One hour's reading of a station nobody has seen before, written as an outside program would. */
async function reading(hoursAgo, pm25) {
  const answer = await fetch(`${city.base}/ngsi-ld/v1/entityOperations/upsert?options=update`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify([
      {
        id: urn,
        type: 'AirQualityObserved',
        name: { type: 'Property', value: STATION },
        location: { type: 'GeoProperty', value: { type: 'Point', coordinates: [106.34, 20.45] } },
        pm25: { type: 'Property', value: pm25, unitCode: 'GQ', observedAt: new Date(Date.now() - hoursAgo * 3_600_000).toISOString() },
      },
    ]),
  })
  assert.ok(answer.ok, `upsert: ${answer.status}`)
}

test('an operator sees a new alarm come in, opens why, and takes note of it', async () => {
  const page = await city.visitor({ login: 'dieuhanh', lands: '/ioc', viewport: DESK })
  await page.waitForURL('**/ioc*')
  const list = page.getByRole('region', { name: say('ioc:alarms.list') }).or(page.getByText(say('ioc:alarms.none'), { exact: true }))
  await list.first().waitFor()
  await city.shot(page, 'walk2-01-ioc')
  assert.equal(await page.getByText(STATION).count(), 0)

  for (let hoursAgo = 11; hoursAgo >= 0; hoursAgo--) await reading(hoursAgo, 260)
  // It comes over the live stream: nothing is reloaded here.
  const alarm = page.getByRole('complementary', { name: say('ioc:left') }).getByRole('button', { name: new RegExp(`${say('severity.critical')}.*${STATION}`, 's') })
  await alarm.waitFor({ timeout: 60_000 })
  await city.shot(page, 'walk2-02-new-alarm')
  await alarm.click()

  const detail = page.getByRole('complementary', { name: say('ioc:detail') })
  await detail.getByRole('heading', { name: say('ioc:alarm.why') }).waitFor()
  await detail.getByText('QĐ 1459/QĐ-TCMT').first().waitFor()
  await detail.getByText(say('ioc:alarm.limit'), { exact: true }).waitFor()
  await city.shot(page, 'walk2-03-why')
  await detail.getByLabel(say('ioc:alarm.note')).fill('Đã báo trưởng ca và đơn vị vận hành trạm.')
  await detail.getByRole('button', { name: say('ioc:alarm.acknowledge') }).click()
  await page.getByText(say('ioc:alarm.acknowledged')).waitFor()
  await detail.getByText('Đã báo trưởng ca và đơn vị vận hành trạm.').waitFor()
  await detail.getByText(say('alarm.acknowledged'), { exact: true }).first().waitFor()
  await city.shot(page, 'walk2-04-acknowledged')
  city.noFaults()
  await page.context().close()
})

test('an officer without the right only looks', async () => {
  const page = await city.visitor({ login: 'canbo', lands: '/ioc' })
  const found = await page.request.get(`${city.base}/api/rules/alarms?state=open`)
  const one = (await found.json()).items[0]
  const me = await (await page.request.get(`${city.base}/api/access/me`)).json()
  const tried = await page.request.post(`${city.base}/api/rules/alarms/${one.id}/acknowledge`, { data: {}, headers: { 'x-csrf-token': me.csrf } })
  assert.equal(tried.status(), 403)
  city.faults.length = 0
  await page.context().close()
})

// --- form and access ------------------------------------------------------------------------------------------------

const PAGES = ['/', '/report', '/map', '/mine', '/air', '/sign-in', '/register', '/r/CODE', '/no-such-page']
for (const path of PAGES) {
  test(`the portal's ${path} fits a small phone and everybody`, async t => {
    const code = (await city.json('/api/cases/public?phase=solved&limit=1')).items[0].code
    const page = await city.visitor({ viewport: { width: 360, height: 800 } })
    await page.goto(city.base + path.replace('CODE', code))
    await page.getByRole('heading', { level: 1 }).first().waitFor({ state: 'attached' })
    await page.waitForLoadState('networkidle').catch(() => t.diagnostic('the page never came to rest'))
    await city.shot(page, `form${path.replace(/\W+/g, '-')}`, path !== '/map')
    const found = await lookOver(page)
    assert.deepEqual(found, [])
    city.noFaults()
    await page.context().close()
  })
}

test('the portal speaks English when told', async () => {
  const page = await city.visitor({ viewport: PHONE })
  await page.goto(city.base)
  await page.getByRole('button', { name: say('ui.switch_language') }).click()
  await page.getByRole('link', { name: 'Report' }).first().waitFor()
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'en')
  await city.shot(page, 'form-english')
  city.noFaults()
  await page.context().close()
})
