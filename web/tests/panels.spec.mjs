/** A panel tells over TCP, and those on duty see it at once: confirmed by a second one, beside the premises file, judged; then the administrator's screen. */
import assert from 'node:assert/strict'
import { createConnection } from 'node:net'
import { after, before, test } from 'node:test'
import { PHONE, lookOver, say, startCity, until } from './city.mjs'

let city
before(async () => {
  city = await startCity()
})
after(() => city?.close())

const pad = (n, digits, base = 10) => n.toString(base).toUpperCase().padStart(digits, '0')

/** CRC-16 as panels use it (reflected 0x8005). */
function sum(text) {
  let crc = 0
  for (const byte of Buffer.from(text, 'latin1')) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xa001 : 0)
  }
  return crc
}

let sequence = 100
/** Sends an event as a panel does; what it is answered. */
function tell(account, events) {
  sequence += 1
  const body = `"SIA-DCS"${pad(sequence, 4)}R1L0#${account}[#${account}|${events}]`
  return new Promise((done, fail) => {
    const socket = createConnection(city.dc09, '127.0.0.1', () => socket.write(`\n${pad(sum(body), 4, 16)}${pad(body.length, 4, 16)}${body}\r`))
    socket.setTimeout(10_000, () => socket.destroy(new Error('no answer')))
    socket.once('data', data => {
      socket.end()
      done(/"(\*?[A-Z]+)"/.exec(data.toString('latin1'))?.[1])
    })
    socket.once('error', fail)
  })
}

test('a robbery is seen at once, with the premises file, and judged', async () => {
  const page = await city.visitor({ login: 'dieuhanh', lands: '/ioc/panels' })
  await page.getByRole('heading', { level: 1, name: say('panels:title') }).waitFor()
  const list = page.getByRole('list', { name: say('panels:list') })
  await list.getByRole('button').first().waitFor()
  await city.shot(page, 'panels-1-list')
  assert.equal(await tell('B2003', 'Nri1/HA003'), 'ACK')
  const row = list.getByRole('button', { name: /Báo cướp.*ngân hàng/is })
  await row.waitFor({ timeout: 10_000 })
  await row.click()
  await page.getByText('Nút báo cướp quầy 3').first().waitFor()
  await page.getByText(say('panels:chain.confirmed_once')).waitFor()
  await city.shot(page, 'panels-2-robbery')
  // Verified, it is an incident by itself, as the pack of operations says.
  await until('an incident is opened', async () => (await (await page.request.get(`${city.base}/api/incidents`)).text()).includes('Chi nhánh ngân hàng'))
  // Names are shown when asked for, and that is on record.
  assert.equal(await page.getByText('Trưởng quỹ (giả định)').count(), 0)
  await page.getByRole('button', { name: say('panels:file.show_contacts') }).click()
  await page.getByText('Trưởng quỹ (giả định)').waitFor()
  await page.getByRole('button', { name: say('panels:note'), exact: true }).click()
  await page.getByText(say('panels:chain.noted', { who: 'dieuhanh' })).waitFor()
  await page.getByRole('button', { name: say('panels:judge.false') }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel(say('panels:judge.reason')).fill('Nhân viên bấm nhầm khi lau quầy')
  await dialog.getByRole('button', { name: say('panels:judge.false') }).click()
  await row.waitFor({ state: 'detached' })
  city.noFaults()
  assert.deepEqual(await lookOver(page), [])
  await page.setViewportSize(PHONE)
  await page.goto(`${city.base}/ioc/panels`)
  await list.getByRole('button').first().waitFor()
  await city.shot(page, 'panels-3-phone', true)
  await list.getByRole('button').first().click()
  await page.getByRole('heading', { level: 2 }).first().waitFor()
  await city.shot(page, 'panels-4-phone-signal')
  await page.goto(`${city.base}/ioc/panels?lang=en`)
  await page.getByRole('heading', { level: 1, name: 'Fire and robbery' }).waitFor()
  await list.page().waitForTimeout(300)
  await city.shot(page, 'panels-5-phone-en')
  assert.deepEqual(await lookOver(page, { lang: 'en' }), [])
  city.noFaults()
  await page.context().close()
})

test('an unknown panel is shown to the administrator, registered, and heard', async () => {
  assert.equal(await tell('EE77', 'NFA1'), 'DUH')
  const page = await city.visitor({ login: 'admin', lands: '/admin/panels?view=strangers' })
  await page.getByText('EE77').waitFor()
  await city.shot(page, 'panels-6-strangers')
  await page.getByRole('listitem').filter({ hasText: 'EE77' }).getByRole('button', { name: say('panels:account.add') }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel(say('panels:account.name')).fill('Tủ nhà kho mới')
  await city.shot(page, 'panels-7-register')
  await dialog.getByRole('button', { name: say('ui.save') }).click()
  await dialog.waitFor({ state: 'detached' })
  await until('the panel is heard', async () => (await tell('EE77', 'NRP0')) === 'ACK')
  await page.goto(`${city.base}/admin/panels`)
  await page.getByText('EE77').first().waitFor()
  await city.shot(page, 'panels-8-accounts')
  await page.getByText('EE77').first().click()
  await dialog.getByLabel(say('panels:key.key'), { exact: true }).fill('000102030405060708090A0B0C0D0E0F')
  await dialog.getByRole('button', { name: say('panels:key.set') }).click()
  await dialog.getByText(say('panels:key.has', { n: 128 })).waitFor()
  await city.shot(page, 'panels-9-key')
  assert.equal(await tell('EE77', 'NRP0'), 'DUH', 'plain messages are not believed any more')
  await page.keyboard.press('Escape')
  await page.goto(`${city.base}/admin/panels?view=premises`)
  await page.getByText('TH-001').first().click()
  await page.getByRole('button', { name: say('panels:file.change') }).click()
  await dialog.getByLabel(say('panels:file.contact_name')).waitFor()
  await city.shot(page, 'panels-10-premises')
  assert.deepEqual(await lookOver(page), [])
  await page.setViewportSize(PHONE)
  await city.shot(page, 'panels-11-premises-phone')
  await page.keyboard.press('Escape')
  await page.goto(`${city.base}/admin/panels`)
  await page.getByText('EE77').first().waitFor()
  await city.shot(page, 'panels-12-admin-phone', true)
  assert.deepEqual(await lookOver(page), [])
  city.noFaults()
  await page.context().close()
})
