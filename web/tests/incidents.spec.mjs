/** A drill from the fire signal to the after-action report as a PDF: operator, crew with its phone, ward, shift lead, leader. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { DESK, HERE, PHONE, lookOver, pdfWords, say, startCity, until } from './city.mjs'

let city
before(async () => {
  city = await startCity()
})
after(() => city?.close())

const title = `Diễn tập cháy chợ ${Date.now()}`
const WALL = { width: 3840, height: 2160 }
let address

/** Looks at a page at phone size with axe, and takes pictures of the three sizes. */
async function look(page, name, back = DESK) {
  for (const [size, viewport] of [['360', { width: 360, height: 800 }], ['1440', DESK], ['3840', WALL]]) {
    await page.setViewportSize(viewport)
    await city.shot(page, `incidents-${name}-${size}`)
  }
  assert.deepEqual(await lookOver(page), [], name)
  await page.setViewportSize(back)
}

test('the operator starts a drill with the keyboard, verifies the signal and sends the nearest engine', async () => {
  const page = await city.visitor({ login: 'dieuhanh', lands: '/ioc/incidents' })
  await page.getByRole('heading', { level: 1, name: say('incidents:title') }).waitFor()
  await page.keyboard.press('d')
  await page.getByText(say('incidents:drill_note')).waitFor()
  await page.keyboard.press('n')
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel(say('incidents:what')).fill(title)
  await dialog.getByLabel(say('incidents:area')).selectOption({ label: 'Phường Thái Bình' })
  await dialog.getByLabel(say('incidents:lon')).fill(String(HERE.longitude))
  await dialog.getByLabel(say('incidents:lat')).fill(String(HERE.latitude))
  await city.shot(page, 'incidents-new')
  await dialog.getByRole('button', { name: say('incidents:open_it') }).click()
  const panel = page.getByRole('article')
  await panel.getByRole('heading', { name: title }).waitFor()
  address = new URL(page.url())
  assert.equal(address.searchParams.get('drill'), 'yes')
  await look(page, 'board')
  // The first step asks; the engine is chosen by its way.
  await panel.getByText('Có cháy', { exact: true }).click()
  await panel.getByRole('button', { name: say('incidents:step_done') }).click()
  await panel.getByLabel('Đã điều xe chữa cháy').waitFor()
  await panel.getByRole('button', { name: say('incidents:send_resource') }).click()
  const send = page.getByRole('dialog')
  const engine = send.getByRole('button', { name: new RegExp(`^${say('incidents:send')}.*CC-01`) })
  await engine.waitFor()
  await city.shot(page, 'incidents-nearest')
  await engine.click()
  await panel.getByText(say('incidents:stamp.sent')).first().waitFor()
  // The second step is skipped: only with a reason.
  await panel.getByRole('button', { name: say('incidents:skip'), exact: true }).click()
  await panel.getByLabel(say('incidents:skip_reason')).fill('Đã điều xe khi xác minh')
  await panel.getByRole('button', { name: say('incidents:skip_it') }).click()
  await panel.getByText('Đã điều xe khi xác minh').first().waitFor()
  await panel.getByLabel(say('incidents:message')).fill('Khói đen phía sau chợ')
  await panel.getByRole('button', { name: say('incidents:write') }).click()
  await panel.getByRole('list', { name: say('incidents:log') }).getByText('Khói đen phía sau chợ').waitFor()
  city.noFaults()
})

test('the crew stamps on its phone, one tap without a network', async () => {
  const page = await city.visitor({ login: 'kipxe1', lands: '/field/dispatch', viewport: PHONE, here: HERE })
  await page.getByRole('heading', { name: title }).waitFor()
  const waits = page.getByText(new RegExp(say('incidents:taps_wait', { n: '@' }).replace('@', '\\d+')))
  const tap = async stamp => {
    const button = page.getByRole('button', { name: say(`incidents:tap.${stamp}`) })
    await button.click()
    await until(`${stamp} is kept`, async () => (await button.isDisabled()) && (await button.getAttribute('aria-busy')) !== 'true')
  }
  const sent = () => until('the server has every tap', async () => (await waits.count()) === 0)
  // However slowly the list comes, what was tapped does not ask to be tapped again.
  await page.route('**/api/incidents/dispatches/mine', route => pause(1_500).then(() => route.continue()))
  await page.evaluate(words => {
    let pressed = false
    globalThis.again = 0
    globalThis.watch = new MutationObserver(() => {
      const button = [...document.querySelectorAll('button')].find(one => one.textContent === words)
      if (pressed && !button.disabled) globalThis.again += 1
      pressed ||= button.disabled
    })
    globalThis.watch.observe(document.body, { subtree: true, childList: true, attributes: true })
  }, say('incidents:tap.accepted'))
  await tap('accepted')
  await sent()
  const again = await page.evaluate(() => {
    globalThis.watch.disconnect()
    return globalThis.again
  })
  assert.equal(again, 0)
  await page.unroute('**/api/incidents/dispatches/mine')
  await tap('turned-out')
  await sent()
  assert.deepEqual(await lookOver(page), [])
  await page.setViewportSize(PHONE)
  await city.shot(page, 'incidents-phone')
  await page.context().setOffline(true)
  await tap('arrived')
  await page.getByText(say('incidents:taps_wait', { n: 1 })).waitFor()
  await city.shot(page, 'incidents-phone-offline')
  await page.context().setOffline(false)
  await sent()
  await tap('under-control')
  await sent()
  city.faults.splice(0)
})

test('the ward finds its task and ends it', async () => {
  const page = await city.visitor({ login: 'canbo', lands: '/work/incidents' })
  await page.getByText(title).first().waitFor()
  assert.deepEqual(await lookOver(page), [])
  await page.setViewportSize(DESK)
  await page.getByRole('button', { name: say('incidents:done') }).first().click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel(say('incidents:result')).fill('Đã phong tỏa hai đầu đường')
  await dialog.getByRole('button', { name: say('incidents:done') }).click()
  await page.getByText(say('incidents:no_tasks')).waitFor()
  city.noFaults()
})

test('a warning is drafted by one and sent by another, as an exercise that the portal does not show', async () => {
  const page = await city.visitor({ login: 'dieuhanh', lands: address.pathname + address.search })
  const panel = page.getByRole('article')
  await panel.getByRole('button', { name: say('incidents:warn.new') }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel(say('incidents:warn.headline')).first().fill('Cháy lớn tại chợ, tránh khu vực')
  await dialog.getByLabel(say('incidents:warn.instruction')).first().fill('Đóng cửa sổ, không đi vào đường quanh chợ.')
  await city.shot(page, 'incidents-warning')
  await dialog.getByRole('button', { name: say('incidents:warn.to_approve') }).click()
  await panel.getByText(say('incidents:warn.state.draft')).waitFor()
  assert.equal(await panel.getByRole('button', { name: say('incidents:warn.approve') }).count(), 0)
  const lead = await city.visitor({ login: 'truongca', lands: address.pathname + address.search })
  await lead.getByRole('article').getByRole('button', { name: say('incidents:warn.approve') }).click()
  await lead.getByRole('article').getByText(say('incidents:warn.state.issued')).waitFor()
  const feed = await (await fetch(`${city.base}/cap/v1/feed.atom?exercises=true`)).text()
  assert.match(feed, /<cap:status>Exercise<\/cap:status>/)
  assert.equal((await city.json('/api/incidents/notices')).length, 0)
  city.noFaults()
})

test('the drill is closed and learned from: report, evidence, a proposed revision', async () => {
  const page = await city.visitor({ login: 'truongca', lands: address.pathname + address.search })
  const panel = page.getByRole('article')
  await panel.getByRole('button', { name: 'Kết thúc sự cố' }).click()
  const ask = page.getByRole('dialog')
  await ask.getByLabel(say('incidents:note')).fill('Kết thúc diễn tập')
  await ask.getByRole('button', { name: 'Kết thúc sự cố' }).click()
  await panel.getByText('Đã kết thúc', { exact: true }).first().waitFor()
  await panel.getByRole('link', { name: say('incidents:report') }).click()
  await page.getByRole('heading', { level: 1, name: /DT-/ }).waitFor()
  await page.getByText('Đã điều xe khi xác minh').first().waitFor()
  await page.getByLabel(say('incidents:aar.lessons')).fill('Xác minh nhanh, phong tỏa đường chậm.')
  await page.getByLabel(say('incidents:aar.procedure')).selectOption({ label: 'Ứng phó cháy, nổ' })
  await page.getByLabel(say('incidents:aar.proposal')).fill('Phong tỏa đường ngay khi điều xe.')
  await page.getByRole('button', { name: say('ui.save') }).click()
  await page.getByText('Phong tỏa đường ngay khi điều xe.').first().waitFor()
  await look(page, 'report')
  const paper = await page.getByRole('link', { name: say('incidents:aar.pdf') }).getAttribute('href')
  const pdf = await page.evaluate(async path => {
    const answer = await fetch(path)
    const bytes = new Uint8Array(await answer.arrayBuffer())
    return { status: answer.status, type: answer.headers.get('content-type'), bytes: Array.from(bytes) }
  }, paper)
  assert.deepEqual([pdf.status, pdf.type, String.fromCharCode(...pdf.bytes.slice(0, 5))], [200, 'application/pdf', '%PDF-'])
  const said = pdfWords(Uint8Array.from(pdf.bytes), 'after-action')
  for (const words of ['DIỄN TẬP', title, 'Đã điều xe khi xác minh', 'Đã phong tỏa hai đầu đường', 'Khói đen phía sau chợ', 'Phong tỏa đường ngay khi điều xe.', 'Chuỗi băm nguyên vẹn']) {
    assert.ok(!said || said.includes(words), `${words} in\n${said}`)
  }
  const href = await page.getByRole('link', { name: say('incidents:evidence') }).getAttribute('href')
  const zip = await page.evaluate(async path => {
    const answer = await fetch(path)
    const bytes = new Uint8Array(await answer.arrayBuffer())
    return { status: answer.status, head: String.fromCharCode(...bytes.slice(0, 2)), size: bytes.length }
  }, href)
  assert.deepEqual([zip.status, zip.head, zip.size > 2_000], [200, 'PK', true])
  await page.goto(`${city.base}/admin/procedures`)
  await page.getByText(say('incidents:sop.second')).waitFor()
  await look(page, 'procedures')
  city.noFaults()
})

test('the shift is begun, written into and handed over; figures and duties are there', async () => {
  const page = await city.visitor({ login: 'dieuhanh', lands: '/ioc/shift' })
  await page.getByRole('button', { name: say('incidents:shift.begin') }).click()
  await page.getByLabel(say('incidents:shift.line')).fill('Nhận ca, thiết bị bình thường')
  await page.getByRole('button', { name: say('incidents:write') }).click()
  await page.getByText('Nhận ca, thiết bị bình thường').waitFor()
  await page.getByLabel(say('incidents:shift.notes')).fill('Không có việc tồn')
  await page.getByRole('button', { name: say('incidents:shift.sign') }).click()
  await page.getByRole('button', { name: say('incidents:shift.sign_again') }).waitFor()
  await look(page, 'shift')
  const lead = await city.visitor({ login: 'truongca', lands: '/ioc/shift' })
  await lead.getByRole('button', { name: say('incidents:shift.take') }).click()
  await lead.getByText(/truongca/).first().waitFor()
  await lead.goto(`${city.base}/ioc/chain`)
  await lead.getByText(say('incidents:drills'), { exact: true }).click()
  await lead.getByRole('rowheader', { name: 'Cháy, nổ' }).waitFor()
  await look(lead, 'chain')
  city.noFaults()
})
