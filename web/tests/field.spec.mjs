/** A crew is made, gets an order for a case, and does it on a phone, half of it without a network; workflows drawn and tried. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { DESK, HERE, PHONE, lookOver, picture, say, startCity, until } from './city.mjs'

let city
before(async () => {
  city = await startCity()
})
after(() => city?.close())

const mark = `Vệ sinh hố ga ${Date.now()}`
const crew = `Tổ ${Date.now()}`

test('an officer makes a crew and gives it work for a case', async () => {
  const page = await city.visitor({ login: 'canbo', lands: '/work/crews', viewport: PHONE })
  await page.getByRole('button', { name: say('field:crews.new') }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel(say('field:crews.name')).fill(crew)
  await dialog.getByLabel('Tổ trưởng tổ chiếu sáng').check()
  await city.shot(page, 'field-1-crew')
  assert.deepEqual(await lookOver(page), [])
  await page.setViewportSize(PHONE)
  await dialog.getByRole('button', { name: say('ui.save') }).click()
  await page.getByRole('heading', { name: crew }).waitFor()
  assert.deepEqual(await lookOver(page), [])
  await page.setViewportSize(PHONE)
  await page.goto(`${city.base}/work?view=unit`)
  await page.locator('a.board-row').first().click()
  await page.getByRole('button', { name: say('field:give.title') }).click()
  await dialog.getByLabel(say('field:give.crew')).selectOption({ index: 0 })
  const choices = await dialog.getByLabel(say('field:give.crew')).locator('option').allTextContents()
  await dialog.getByLabel(say('field:give.crew')).selectOption({ index: choices.findIndex(text => text.startsWith(crew)) })
  await dialog.getByLabel(say('field:give.kind')).selectOption({ label: 'Việc tại hiện trường' })
  await dialog.getByLabel(say('field:give.what')).fill(mark)
  await city.shot(page, 'field-2-give')
  assert.deepEqual(await lookOver(page), [])
  await page.setViewportSize(PHONE)
  await dialog.getByRole('button', { name: say('field:give.do'), exact: true }).click()
  await page.getByRole('link', { name: mark }).waitFor()
  await city.shot(page, 'field-3-case', true)
  city.noFaults()
  await page.context().close()
})

test('the crew does it on a phone, also without a network, and the unit checks it', async () => {
  const page = await city.visitor({ login: 'tochieusang', lands: '/work/field', viewport: PHONE, here: HERE })
  await page.getByRole('link', { name: mark }).waitFor()
  await page.getByText(say('field:by_way')).click()
  await city.shot(page, 'field-4-list')
  assert.deepEqual(await lookOver(page), [])
  await page.setViewportSize(PHONE)
  await page.getByRole('link', { name: mark }).click()
  await page.getByRole('button', { name: 'Nhận việc' }).waitFor()
  city.noFaults()
  // No network: the steps are kept, and what comes next is offered all the same.
  await page.context().setOffline(true)
  await page.getByRole('button', { name: 'Nhận việc' }).click()
  await page.getByRole('button', { name: 'Đã đến nơi' }).click()
  await page.getByText(say('field:queue', { n: 2 })).waitFor()
  await page.getByLabel('Đã bảo đảm an toàn').check()
  await page.getByLabel('Việc đã làm').fill('Nạo vét hố ga')
  await city.shot(page, 'field-5-offline', true)
  assert.equal(await page.getByRole('button', { name: 'Làm xong' }).isDisabled(), true, 'the photo of the work is missing')
  const pickers = page.locator('input[type=file]')
  await pickers.last().setInputFiles({ name: 'sau.png', mimeType: 'image/png', buffer: picture(90, 160, 110) })
  await until('the photo is taken', () => page.getByRole('button', { name: 'Làm xong' }).isEnabled())
  assert.deepEqual(await lookOver(page), [])
  await page.setViewportSize(PHONE)
  await page.context().setOffline(false)
  await page.getByRole('button', { name: 'Làm xong' }).click()
  await page.waitForURL('**/work/field')
  await until('the server has every step', async () => {
    const waiting = await Promise.all([1, 2, 3].map(n => page.getByText(say('field:queue', { n })).count()))
    return waiting.every(count => count === 0) && (await page.getByRole('link', { name: mark }).count()) === 0
  })
  // What the browser says about having had no network is no fault.
  city.faults.length = 0

  const officer = await city.visitor({ login: 'canbo', lands: '/work/crews' })
  await officer.getByRole('link', { name: mark }).click()
  await city.shot(officer, 'field-6-officer', true)
  await officer.getByText('Làm xong, chờ nghiệm thu').first().waitFor()
  await officer.getByText('Nạo vét hố ga').waitFor()
  await city.shot(officer, 'field-6-check', true)
  await officer.getByRole('button', { name: 'Nghiệm thu' }).click()
  await officer.getByText('Đã nghiệm thu').first().waitFor()
  assert.deepEqual(await lookOver(officer), [])
  city.noFaults()
  await officer.context().close()
  await page.context().close()
})

test('a workflow is drawn and a change is tried on past cases, on a phone', async () => {
  const page = await city.visitor({ login: 'truongca', lands: '/admin/flow', viewport: PHONE })
  // On a phone it is a ladder that can be read without zooming; on a desk it is drawn.
  const rung = page.locator('.flow-ladder > li').filter({ has: page.locator('strong', { hasText: 'Đang xử lý' }) }).first()
  await rung.getByText('Trình trả lời').first().waitFor()
  const widest = await page.locator('.flow-ladder > li').evaluateAll(all => Math.max(...all.map(li => li.getBoundingClientRect().right)))
  assert.ok(widest <= PHONE.width, `a rung ends at ${widest}`)
  await city.shot(page, 'flow-1-ladder', true)
  await page.setViewportSize(DESK)
  await page.getByRole('button', { name: 'Đang xử lý' }).click()
  await page.getByText('Trình trả lời').filter({ visible: true }).first().waitFor()
  await city.shot(page, 'flow-1-diagram', true)
  assert.deepEqual(await lookOver(page), [])
  await page.setViewportSize(PHONE)
  await page.getByRole('tab', { name: say('flow:dry_run') }).click()
  await page.getByLabel(say('flow:changes')).fill('[flow]\ninitial = "nowhere"')
  await page.getByRole('button', { name: say('flow:try'), exact: true }).click()
  await page.getByText('nowhere').last().waitFor()
  await page.getByLabel(say('flow:changes')).fill('[deadline]\nnormal = "1d"')
  await page.getByRole('button', { name: say('flow:try'), exact: true }).click()
  await page.getByText(say('flow:late_after')).waitFor()
  await city.shot(page, 'flow-2-trial', true)
  assert.deepEqual(await lookOver(page), [])
  city.noFaults()
  await page.context().close()
})
