/** The centre's daily work on a phone and at a desk: one step for many, one case for many units, and what the public sees of it. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { HERE, PHONE, lookOver, say, startCity, until } from './city.mjs'

let city
before(async () => {
  city = await startCity()
})
after(() => city?.close())

function noFaults() {
  assert.deepEqual(city.faults.splice(0), [])
}

/** A report as a citizen's program would send it. */
async function report(text) {
  const form = new FormData()
  form.set('report', new Blob([JSON.stringify({ kind: 'report', category: 'garbage', text, lon: HERE.longitude, lat: HERE.latitude })], { type: 'application/json' }))
  const answer = await fetch(`${city.base}/api/cases`, { method: 'POST', body: form })
  assert.equal(answer.status, 201, await answer.clone().text())
  return answer.json()
}

const mark = `Bãi tập kết ${Date.now()}`
let first

test('the centre accepts two reports in one step, on a phone', async () => {
  first = await report(`${mark} số một`)
  await report(`${mark} số hai`)
  const page = await city.visitor({ login: 'truongca', lands: '/work', viewport: PHONE })
  await page.waitForURL('**/work*')
  await page.getByRole('searchbox').fill(mark)
  await until('only the two are listed', async () => (await page.locator('.board-row').count()) === 2)
  await page.getByRole('button', { name: say('work:bulk.choose') }).click()
  const boxes = page.getByRole('checkbox')
  await boxes.first().waitFor()
  for (const box of await boxes.all()) await box.check()
  await page.getByText(say('work:bulk.chosen', { n: 2 })).waitFor()
  await city.shot(page, 'bulk-1-chosen')
  assert.deepEqual(await lookOver(page), [])
  await page.setViewportSize(PHONE)
  await page.getByRole('button', { name: say('work:bulk.act') }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel(say('work:bulk.move')).selectOption({ label: 'Tiếp nhận và chuyển xử lý' })
  await city.shot(page, 'bulk-2-move')
  assert.deepEqual(await lookOver(page), [])
  await page.setViewportSize(PHONE)
  await dialog.getByRole('button', { name: say('work:bulk.do', { n: 2 }) }).click()
  await page.getByRole('heading', { name: say('work:bulk.results', { done: 2, all: 2 }) }).waitFor()
  await city.shot(page, 'bulk-3-results')
  noFaults()
  await page.context().close()
})

test('the centre splits a case, the unit gets its part, the public sees who works on it', async () => {
  const page = await city.visitor({ login: 'truongca', lands: `/work/${first.id}`, viewport: PHONE })
  await page.getByRole('button', { name: say('work:case.split') }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('searchbox').fill('cong an')
  const unit = dialog.getByRole('listbox')
  const label = await unit.locator('option', { hasText: 'Công an' }).first().textContent()
  await unit.selectOption({ label })
  await dialog.getByLabel(say('work:split.what')).fill('Xử phạt người đổ trộm')
  await city.shot(page, 'split-1-dialog', true)
  assert.deepEqual(await lookOver(page), [])
  await page.setViewportSize(PHONE)
  await dialog.getByRole('button', { name: say('work:split.do'), exact: true }).click()
  await dialog.waitFor({ state: 'hidden' })
  const part = page.getByRole('link', { name: 'Xử phạt người đổ trộm' })
  await part.waitFor()
  await city.shot(page, 'split-2-parts', true)
  await part.click()
  await page.getByRole('heading', { name: say('work:case.whole') }).waitFor()
  assert.deepEqual(await lookOver(page), [])
  noFaults()
  await page.context().close()

  const stranger = await city.visitor({ viewport: PHONE })
  await stranger.goto(`${city.base}/r/${first.code}`)
  await stranger.getByRole('heading', { name: say('citizen:case.parts') }).waitFor()
  await stranger.getByText(label).waitFor()
  assert.ok(!(await stranger.content()).includes('Xử phạt người đổ trộm'), 'what the unit was told is not public')
  assert.deepEqual(await lookOver(stranger), [])
  await stranger.getByRole('button', { name: say('ui.switch_language') }).click()
  await stranger.getByRole('heading', { name: 'Units that work on it' }).waitFor()
  assert.deepEqual(await lookOver(stranger, { lang: 'en' }), [])
  noFaults()
  await stranger.context().close()
})
