/** Word by mail, from the click to the link in the letter; the queue; another system that takes a case. With a mail server of twenty lines. */
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { after, before, test } from 'node:test'
import { HERE, PHONE, lookOver, say, startCity, until } from './city.mjs'

const letters = []
const server = createServer(socket => {
  let body
  socket.write('220 sink\r\n')
  let rest = ''
  socket.on('error', () => undefined)
  socket.on('data', bytes => {
    rest += bytes.toString('utf8')
    for (let end = rest.indexOf('\r\n'); end >= 0; end = rest.indexOf('\r\n')) {
      const line = rest.slice(0, end)
      rest = rest.slice(end + 2)
      if (body !== undefined) {
        if (line === '.') {
          letters.push(body)
          body = undefined
          socket.write('250 taken\r\n')
        } else body += `${line}\n`
      } else if (line === 'DATA') {
        body = ''
        socket.write('354 go on\r\n')
      } else if (line === 'QUIT') socket.end('221 bye\r\n')
      else socket.write('250 ok\r\n')
    }
  })
})

/** The plain text of the newest letter to an address. */
function letter(to) {
  const found = letters.findLast(text => text.includes(`\nTo: ${to}\n`))
  const part = found?.split('text/plain')[1]?.split('\n\n')[1]?.split('\n--')[0]
  return part && Buffer.from(part.replace(/\s/g, ''), 'base64').toString('utf8')
}

let city
let report
before(async () => {
  await new Promise(done => server.listen(0, '127.0.0.1', done))
  process.env.DOTHI_SMTP_URL = `smtp://127.0.0.1:${server.address().port}`
  process.env.DOTHI_MAIL_FROM = 'Đô thị <no-reply@example.vn>'
  process.env.DOTHI_NOTIFY_PRIVATE = '1'
  // A city of its own: that of all walks sends no mail.
  delete process.env.DOTHI_URL
  city = await startCity()
  const form = new FormData()
  form.set('report', new Blob([JSON.stringify({ kind: 'report', category: 'garbage', text: `Rác chất đống ${Date.now()}`, lon: HERE.longitude, lat: HERE.latitude })], { type: 'application/json' }))
  report = await (await fetch(`${city.base}/api/cases`, { method: 'POST', body: form })).json()
})
after(async () => {
  await city?.close()
  server.close()
})

test('a neighbour follows a report by mail and ends it again, on a phone', async () => {
  const page = await city.visitor({ viewport: PHONE })
  await page.goto(`${city.base}/r/${report.code}`)
  await page.getByRole('button', { name: say('notify:box.mail') }).click()
  await page.getByLabel(say('notify:address')).fill('lang.gieng@example.vn')
  await city.shot(page, 'word-1-follow')
  await page.getByRole('button', { name: say('notify:box.send') }).click()
  await page.getByText(say('notify:box.mail_done', { address: 'lang.gieng@example.vn' })).waitFor()
  const text = await until('the letter', () => letter('lang.gieng@example.vn'))
  const link = new URL(/https?:\S+\/follows\?confirm#\S+/.exec(text)[0])
  await page.goto(`${city.base}${link.pathname}${link.search}${link.hash}`)
  await page.getByRole('button', { name: say('notify:confirm.begin') }).click()
  await page.getByText(/^Đã bắt đầu/).waitFor()
  await city.shot(page, 'word-2-begun')
  assert.deepEqual(await lookOver(page), [])
  await page.context().close()
  const stranger = await city.visitor({ viewport: PHONE })
  await stranger.goto(`${city.base}/follows`)
  await stranger.getByRole('heading', { name: say('notify:place.title') }).waitFor()
  await city.shot(stranger, 'word-3-follows')
  assert.deepEqual(await lookOver(stranger), [])
  city.noFaults()
  await stranger.context().close()
})

test('who runs the platform sees the queue without addresses, and the words of every message', async () => {
  const page = await city.visitor({ login: 'admin', lands: '/admin/messages' })
  await page.getByText('l…@example.vn').first().waitFor()
  await page.getByLabel(say('notify:admin.template')).selectOption('answered')
  await page.getByText(/đã có trả lời/).first().waitFor()
  await city.shot(page, 'word-4-messages')
  assert.deepEqual(await lookOver(page), [])
  city.noFaults()
  await page.context().close()
})

test('a case is handed to another system and says how it stands there', async () => {
  const admin = await city.visitor({ login: 'admin', lands: '/admin/open311' })
  await admin.getByRole('button', { name: say('admin:tokens.add') }).click()
  const making = admin.getByRole('dialog')
  await making.getByLabel(say('admin:open311.name')).fill('Chính chúng ta')
  await making.getByRole('button', { name: say('admin:tokens.add') }).click()
  const key = (await making.locator('pre').textContent()).trim()
  await making.getByRole('button', { name: say('ui.close') }).last().click()
  await admin.getByRole('button', { name: say('notify:peer.add') }).click()
  const dialog = admin.getByRole('dialog')
  await dialog.getByLabel(say('notify:peer.name'), { exact: true }).fill('Nhà thầu vệ sinh')
  await dialog.getByLabel(say('notify:peer.url')).fill(`${city.base}/open311/v2`)
  await dialog.getByLabel(say('notify:peer.key')).fill(key)
  await dialog.getByRole('button', { name: say('notify:peer.add_service') }).click()
  await dialog.getByLabel(say('notify:peer.category')).selectOption('garbage')
  await dialog.getByLabel(say('notify:peer.service')).fill('garbage')
  await city.shot(admin, 'word-5-peer')
  assert.deepEqual(await lookOver(admin), [])
  await dialog.getByRole('button', { name: say('ui.save') }).click()
  await admin.getByText('Nhà thầu vệ sinh').waitFor()
  await admin.context().close()

  const page = await city.visitor({ login: 'truongca', lands: `/work/${report.id}` })
  await page.getByRole('button', { name: 'Tiếp nhận và chuyển xử lý' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Tiếp nhận và chuyển xử lý' }).click()
  await page.getByRole('button', { name: say('notify:forward.give') }).click()
  const giving = page.getByRole('dialog')
  await giving.getByLabel(say('notify:forward.peer')).selectOption({ label: 'Nhà thầu vệ sinh' })
  await giving.getByRole('button', { name: say('notify:forward.give') }).click()
  await giving.waitFor({ state: 'hidden' })
  // The page tells it by itself.
  await page.getByText(say('notify:forward.states.open')).first().waitFor({ timeout: 60_000 })
  await city.shot(page, 'word-6-forwarded')
  assert.deepEqual(await lookOver(page), [])
  city.noFaults()
  await page.context().close()
})
