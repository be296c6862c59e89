/**
 * A device in people's hands, in a real browser: registered, put into a group, told a command that it takes and answers, given a name to
 * sign in with by certificate, and fed from a file. Needs a running demo: DOTHI_URL and DOTHI_PASSWORD; CHROMIUM names the browser
 * (default /usr/bin/chromium), SHOTS a folder for pictures of the screens passed.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { chromium } from 'playwright-core'

const base = process.env.DOTHI_URL
const password = process.env.DOTHI_PASSWORD
const skip = base && password ? false : 'DOTHI_URL and DOTHI_PASSWORD are not set'
const id = `thu-${Date.now().toString(36)}`
let browser

before(async () => {
  if (!skip) browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--ignore-gpu-blocklist'] })
})
after(() => browser?.close())

test('a device is registered, grouped, commanded, certified and fed', { skip, timeout: 240_000 }, async () => {
  const context = await browser.newContext({ locale: 'vi-VN', timezoneId: 'Asia/Ho_Chi_Minh', baseURL: base, serviceWorkers: 'block', viewport: { width: 1440, height: 900 } })
  const page = await context.newPage()
  page.setDefaultTimeout(30_000)
  const faults = []
  page.on('pageerror', error => faults.push(error.message))
  const shot = async name => { if (process.env.SHOTS) { await pause(500); await page.screenshot({ path: `${process.env.SHOTS}/${name}.png` }) } }
  await page.goto('/sign-in?next=/admin/devices')
  await page.getByLabel(/Tên đăng nhập/).fill('truongca')
  await page.getByLabel('Mật khẩu').fill(password)
  await page.locator('form').getByRole('button', { name: 'Đăng nhập' }).click()
  await page.getByRole('heading', { name: 'Thiết bị' }).first().waitFor()

  await page.getByRole('button', { name: 'Đăng ký thiết bị' }).click()
  const dialog = () => page.getByRole('dialog')
  await dialog().getByLabel('Tên', { exact: true }).fill('Trạm thử nghiệm')
  await dialog().getByLabel('Mã').fill(id)
  await dialog().getByLabel('Mẫu thiết bị').selectOption('dothi-json')
  await dialog().getByRole('button', { name: 'Đăng ký thiết bị' }).click()
  await dialog().getByRole('heading', { name: 'Khóa của thiết bị' }).waitFor()
  const secret = await dialog().locator('dd').nth(1).innerText()
  await dialog().locator('.dialog-foot').getByRole('button', { name: 'Đóng' }).click()

  await page.getByRole('button', { name: 'Nhóm', exact: true }).click()
  await dialog().getByRole('button', { name: 'Thêm nhóm' }).click()
  await dialog().getByLabel('Tên nhóm').fill('Trạm không khí')
  await dialog().getByLabel('Mã nhóm').fill(`khong-khi-${id}`)
  await dialog().getByRole('button', { name: 'Lưu' }).click()
  await dialog().locator('.command', { hasText: `khong-khi-${id}` }).waitFor()
  await shot('devices-groups')
  await dialog().locator('.dialog-head').getByRole('button', { name: 'Đóng' }).click()

  const own = { Authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`, 'Content-Type': 'application/json' }
  const say = (path, body) => fetch(`${base}${path}`, { method: 'POST', headers: own, body: JSON.stringify(body ?? {}) })
  const first = await say('/api/context/ingest/dothi-json', { t: new Date().toISOString(), pm25: 2500, temperature: 21, battery: 0.15 })
  assert.equal(first.status, 200)

  await page.goto(`/admin/devices?q=${id}`)
  await page.getByText('Trạm thử nghiệm').first().click()
  await dialog().getByText('Ngoài khoảng có thể').first().waitFor()
  await shot('devices-life')
  await dialog().getByRole('button', { name: 'Đổi nhóm' }).click()
  await dialog().locator('label', { hasText: `khong-khi-${id}` }).click()
  await dialog().getByRole('button', { name: 'Lưu' }).click()
  await dialog().locator('.badge', { hasText: 'Trạm không khí' }).waitFor()

  await dialog().getByRole('tab', { name: 'Lệnh' }).click()
  await dialog().getByLabel(/Chu kỳ/).fill('60')
  await dialog().getByRole('button', { name: 'Gửi lệnh' }).click()
  await dialog().getByText('Chờ thiết bị').first().waitFor()
  await shot('devices-command-queued')
  const taken = await (await say(`/api/context/devices/${id}/commands/take`)).json()
  assert.deepEqual([taken[0].command, taken[0].parameters], ['set-interval', { seconds: 60 }])
  assert.equal((await say(`/api/context/devices/${id}/commands/answer`, { id: taken[0].id, ok: true, result: { seconds: 60 } })).status, 204)
  await dialog().locator('.badge', { hasText: 'Đã thực hiện' }).waitFor()
  await dialog().getByLabel('Lệnh', { exact: true }).selectOption('restart')
  assert.equal(await dialog().getByRole('button', { name: 'Gửi lệnh' }).isDisabled(), true, 'a sensitive command is asked about once more')
  await shot('devices-command-done')

  await dialog().getByRole('tab', { name: 'Khóa và chứng thư' }).click()
  await dialog().getByLabel('Loại').selectOption('name')
  await dialog().getByLabel('Tên (CN hoặc SAN)').fill(`${id}.dev.example`)
  await dialog().getByRole('button', { name: 'Thêm' }).click()
  await dialog().locator('.command', { hasText: `${id}.dev.example` }).waitFor()
  await shot('devices-credentials')
  await dialog().locator('.dialog-head').getByRole('button', { name: 'Đóng' }).click()
  await shot('devices-list')
  await page.setViewportSize({ width: 390, height: 844 })
  await page.getByText('Trạm thử nghiệm').first().click()
  await dialog().getByRole('tab', { name: 'Lệnh' }).click()
  await shot('devices-phone')
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth), false, 'nothing hangs over on a phone')
  await context.close()

  const steward = await browser.newContext({ locale: 'vi-VN', baseURL: base, serviceWorkers: 'block', viewport: { width: 1280, height: 860 } })
  const desk = await steward.newPage()
  desk.setDefaultTimeout(30_000)
  desk.on('pageerror', error => faults.push(error.message))
  await desk.goto('/sign-in?next=/admin/devices')
  await desk.getByLabel(/Tên đăng nhập/).fill('admin')
  await desk.getByLabel('Mật khẩu').fill(password)
  await desk.locator('form').getByRole('button', { name: 'Đăng nhập' }).click()
  await desk.getByRole('button', { name: 'Nhập tệp' }).click()
  const file = desk.getByRole('dialog')
  await file.getByLabel('Tệp').setInputFiles({ name: 'ngay.csv', mimeType: 'text/csv', buffer: Buffer.from('t,pm25\n2026-01-01T00:00:00Z,41\nhom qua,2\n') })
  await file.getByLabel('Mã').fill(id)
  await file.locator('.dialog-foot').getByRole('button', { name: 'Nhập tệp' }).click()
  await file.getByText(/lưu 1 giá trị/).waitFor()
  await file.getByText(/Dòng 3/).waitFor()
  if (process.env.SHOTS) await desk.screenshot({ path: `${process.env.SHOTS}/devices-import.png` })
  await steward.close()
  assert.deepEqual(faults, [], 'no script failed on the page')
})
