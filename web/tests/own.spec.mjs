/** What a reporter does with the own report besides following it: agrees that the unit may know how to reach them, takes it back, and takes it home on paper. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { HERE, lookOver, PHONE, say, startCity } from './city.mjs'

let city
before(async () => {
  city = await startCity()
})
after(() => city?.close())

test('a reporter agrees, takes it back and has a paper; the unit has one with the log', async () => {
  const page = await city.visitor({ viewport: PHONE, here: HERE })
  await page.goto(`${city.base}/report?category=street-light`)
  await page.getByRole('button', { name: say('citizen:report.no_photo') }).click()
  await page.getByText('Phường Thái Bình').first().waitFor()
  await page.getByRole('button', { name: say('citizen:report.here') }).click()
  await page.getByLabel(say('citizen:report.words')).fill('Đèn đường trước nhà văn hóa tắt ba hôm nay')
  await page.getByText(say('citizen:report.contact')).click()
  const box = page.getByRole('checkbox', { name: /Tôi đồng ý cho đơn vị xử lý/ })
  assert.equal(await box.count(), 0, 'nothing to agree to without contact data')
  await page.getByLabel(say('access.phone')).fill('0912345678')
  assert.equal(await box.isChecked(), false, 'nobody agrees by default')
  await box.check()
  await city.shot(page, 'own-1-form', true)
  assert.deepEqual(await lookOver(page), [])
  await page.setViewportSize(PHONE)
  await page.getByRole('button', { name: say('citizen:report.send'), exact: true }).click()
  await page.getByRole('link', { name: say('citizen:sent.follow') }).click()
  await page.waitForURL('**/t/**')

  await page.getByRole('heading', { name: say('citizen:data.consent.title') }).waitFor()
  await city.shot(page, 'own-2-page', true)
  assert.deepEqual(await lookOver(page), [])
  await page.setViewportSize(PHONE)
  const paper = await page.getByRole('link', { name: say('citizen:data.paper') }).getAttribute('href')
  const got = await page.evaluate(async href => {
    const answer = await fetch(href)
    return { status: answer.status, type: answer.headers.get('content-type'), begins: new TextDecoder().decode((await answer.arrayBuffer()).slice(0, 5)) }
  }, paper)
  assert.deepEqual(got, { status: 200, type: 'application/pdf', begins: '%PDF-' })
  await page.getByRole('button', { name: say('citizen:data.consent.withdraw') }).click()
  await page.getByRole('button', { name: say('citizen:data.consent.agree') }).waitFor()
  city.noFaults()

  const code = new URL(page.url()).pathname.split('/').pop()
  const officer = await city.visitor({ login: 'truongca', lands: `/work?q=${code}` })
  const id = await officer.evaluate(async wanted => (await (await fetch(`/api/cases?view=all&q=${wanted}`)).json()).items[0].id, code)
  await officer.goto(`${city.base}/work/${id}`)
  await officer.getByText(say('work:step.consent-withdrawn')).first().waitFor()
  const printed = await officer.getByRole('link', { name: say('work:case.paper_get') }).getAttribute('href')
  assert.equal(await officer.evaluate(async href => (await fetch(href)).status, printed), 200)
  await city.shot(officer, 'own-3-desk', true)
  assert.deepEqual(await lookOver(officer), [])
  city.noFaults()
})
