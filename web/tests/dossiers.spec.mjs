/**
 * Administrative service monitoring as people see it: a leader goes from the board to a dossier, an officer apologises for one, a score opens
 * to its figures, a tablet at the counter counts a face, a citizen finds a dossier.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { PHONE, lookOver, pdfWords, say, startCity, until } from './city.mjs'

let city
before(async () => {
  city = await startCity()
})
after(() => city?.close())

/** Looks at the page on a phone, too. */
async function look(page, name) {
  await city.shot(page, name, true)
  const size = page.viewportSize()
  const found = await lookOver(page)
  await page.setViewportSize(PHONE)
  await city.shot(page, `${name}-phone`, true)
  await page.setViewportSize(size)
  assert.deepEqual(found, [], name)
}

test('a leader goes from the board to the agency, its overdue dossiers and one of them', async () => {
  const page = await city.visitor({ login: 'chutich', lands: '/lead/dossiers' })
  await page.getByRole('heading', { level: 1, name: say('dossiers:title') }).waitFor()
  const rows = page.getByRole('table', { name: say('dossiers:title') }).getByRole('row')
  await until('agencies stand on the board', async () => (await rows.count()) > 5)
  await look(page, 'dossiers-board')
  await rows.nth(1).click()
  await page.waitForURL('**by=procedure*')
  await page.goto(`${city.base}/lead/dossiers?list=overdue`)
  const first = page.getByRole('link', { name: /H31\./ }).or(page.locator('a.table-row')).first()
  await first.waitFor()
  await look(page, 'dossiers-overdue')
  await first.click()
  await page.waitForURL('**/work/dossiers/H31*')
  await page.getByRole('heading', { name: say('dossiers:history') }).waitFor()
  await look(page, 'dossier')
  city.noFaults()
})

test('an officer apologises once with a new date', async () => {
  const page = await city.visitor({ login: 'canbo', lands: '/work/dossiers?list=overdue' })
  await page.locator('a.table-row').first().click()
  await page.getByRole('button', { name: say('dossiers:slip.title') }).click()
  const day = new Date()
  do day.setDate(day.getDate() + 1)
  while ([0, 6].includes(day.getDay()))
  await page.getByLabel(say('dossiers:slip.day')).fill(day.toISOString().slice(0, 10))
  await page.getByLabel(say('dossiers:slip.reason')).fill('Chờ cơ quan khác xác minh thông tin')
  await page.getByRole('button', { name: say('dossiers:slip.issue') }).click()
  const slip = await page.getByRole('link', { name: say('dossiers:slip.print') }).getAttribute('href')
  const paper = await page.evaluate(async href => {
    const answer = await fetch(href)
    return [answer.status, answer.headers.get('content-type'), Array.from(new Uint8Array(await answer.arrayBuffer()))]
  }, slip)
  assert.deepEqual(paper.slice(0, 2), [200, 'application/pdf'])
  const said = pdfWords(Uint8Array.from(paper[2]), 'slip')
  assert.ok(!said || said.includes('Chờ cơ quan khác xác minh thông tin'), said)
  assert.equal(await page.getByRole('button', { name: say('dossiers:slip.title') }).count(), 0, 'a second one is not offered')
  city.noFaults()
})

test('a score opens to its formula and figures, and says that it is not official', async () => {
  const page = await city.visitor({ login: 'chutich', lands: '/lead/dossiers/score' })
  await page.getByText(say('dossiers:score.unofficial')).first().waitFor()
  await look(page, 'dossiers-scores')
  await page.locator('.score-list a').first().click()
  await page.getByText('2.1').first().waitFor()
  await look(page, 'dossiers-score')
  await page.goto(`${city.base}/lead/dossiers/odd`)
  await page.getByRole('heading', { name: say('dossiers:tablet.title') }).waitFor()
  await until('what looks odd is there', async () => (await page.getByRole('heading', { level: 2 }).count()) > 4)
  await look(page, 'dossiers-odd')
  city.noFaults()
})

test('an administrator sets up a source that is asked by the clock, and sees why it fails', async () => {
  const page = await city.visitor({ login: 'admin', lands: '/admin/dossiers' })
  await page.getByRole('heading', { level: 1, name: say('dossiers:poll.title') }).waitFor()
  await page.getByRole('button', { name: say('dossiers:poll.add') }).first().click()
  await page.getByLabel(say('dossiers:poll.name'), { exact: true }).fill('Hệ thống một cửa thử')
  await page.getByLabel(say('dossiers:poll.url')).fill('http://10.1.2.3/ho-so')
  await page.getByRole('button', { name: say('ui.save') }).click()
  await page.getByText(say('errors.outside.refused')).waitFor()
  await page.getByLabel(say('dossiers:poll.url')).fill('https://khong-co.invalid/ho-so')
  await page.getByRole('button', { name: say('ui.save') }).click()
  await page.getByText(say('dossiers:poll.failing')).waitFor()
  await page.getByText(say('errors.dossiers.poll.unreached')).first().waitFor()
  await page.getByRole('button', { name: say('dossiers:poll.runs') }).click()
  await look(page, 'dossiers-sources')
  await page.getByRole('button', { name: say('dossiers:poll.edit') }).click()
  await look(page, 'dossiers-source')
  // The refusal was told by the console, which it should be.
  city.faults.length = 0
})

test('a tablet counts a face and is ready for the next', async () => {
  const page = await city.visitor({ login: 'lanhdaoxa', lands: '/work/dossiers' })
  const token = await page.evaluate(async () => {
    const me = await (await fetch('/api/access/me')).json()
    const made = await fetch('/api/dossiers/tablets', { method: 'POST', headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': me.csrf }, body: JSON.stringify({ unit: 'ubnd-13225', name: 'Quầy thử', faces: 5 }) })
    return (await made.json()).token
  })
  const tablet = await city.visitor({ viewport: { width: 1024, height: 768 } })
  await tablet.goto(`${city.base}/counter#${token}`)
  const face = tablet.getByRole('button', { name: say('citizen:counter.level.5') }).first()
  await face.waitFor()
  await look(tablet, 'counter')
  await face.click()
  await tablet.getByRole('heading', { name: say('citizen:counter.thanks') }).waitFor()
  await tablet.getByRole('heading', { name: say('citizen:counter.question') }).waitFor()
  // Without a network it waits on the device; with one it is sent.
  await tablet.context().setOffline(true)
  await face.click()
  await tablet.getByText(say('citizen:counter.waiting', { n: 1 })).waitFor()
  await tablet.context().setOffline(false)
  await tablet.evaluate(() => window.dispatchEvent(new Event('online')))
  await until('both are counted', async () => {
    const rows = await page.evaluate(async () => (await (await fetch('/api/dossiers/satisfaction')).json()).rows)
    return rows.find(r => r.counter === 'Quầy thử')?.rated === 2
  })
  // The console says that the network was away, which it was.
  city.faults.length = 0
})

test('a citizen finds a dossier by its code and four digits, and sees how punctual agencies are', async () => {
  const list = await city.json('/api/dossiers?what=all&limit=20')
  const code = list.items.find(d => !d.code.includes('.99-')).code
  const page = await city.visitor()
  await page.goto(`${city.base}/services`)
  await page.getByText('UBND phường Thái Bình').first().waitFor()
  await page.getByLabel(say('citizen:services.code'), { exact: true }).fill(code.toLowerCase())
  // The demo's telephone numbers follow from the number of the dossier.
  await page.getByLabel(say('citizen:services.digits')).fill(String(100_000 + Number(code.split('-')[2])).slice(-4))
  await page.getByRole('button', { name: say('citizen:services.find') }).click()
  await page.getByText(say('citizen:services.received')).waitFor()
  await look(page, 'services')
  city.noFaults()
})
