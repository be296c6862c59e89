/**
 * A report going all the way, in a real browser: a citizen without an account sends photo, place and words; the centre accepts, an officer
 * answers, a leader approves with a photo; everybody sees the answer; the citizen rates it. Needs a running demo:
 * DOTHI_URL (its address) and DOTHI_PASSWORD (printed at its start); CHROMIUM names the browser (default /usr/bin/chromium).
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { chromium } from 'playwright-core'

const base = process.env.DOTHI_URL
const password = process.env.DOTHI_PASSWORD
const skip = base && password ? false : 'DOTHI_URL and DOTHI_PASSWORD are not set'
const PLACE = { longitude: 106.29847, latitude: 20.46263 }
let browser

before(async () => {
  if (!skip) browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--ignore-gpu-blocklist'] })
})
after(() => browser?.close())

/** A page of its own; scripts that fail on it fail the test. */
async function open(options = {}) {
  const context = await browser.newContext({ locale: 'vi-VN', timezoneId: 'Asia/Ho_Chi_Minh', baseURL: base, serviceWorkers: 'block', ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(30_000)
  const faults = []
  page.on('pageerror', error => faults.push(error.message))
  return { page, close: async () => { await context.close(); assert.deepEqual(faults, [], 'no script failed on the page') } }
}

/** A photo, drawn by the browser itself. */
async function photo(page, colour) {
  const data = await page.evaluate(c => { const k = document.createElement('canvas'); k.width = 640; k.height = 480; const g = k.getContext('2d'); g.fillStyle = c; g.fillRect(0, 0, 640, 480); g.fillStyle = '#222'; g.fillRect(200, 180, 240, 120); return k.toDataURL('image/jpeg', 0.8).split(',')[1] }, colour)
  return { name: 'anh.jpg', mimeType: 'image/jpeg', buffer: Buffer.from(data, 'base64') }
}

async function staff(login) {
  const { page, close } = await open({ viewport: { width: 1280, height: 860 } })
  await page.goto('/sign-in?next=/work')
  await page.getByLabel(/Tên đăng nhập/).fill(login)
  await page.getByLabel('Mật khẩu').fill(password)
  await page.locator('form').getByRole('button', { name: 'Đăng nhập' }).click()
  await page.locator('.rail').waitFor()
  return { page, close }
}

/** Opens the case by its code and makes a move; `fill` completes the form. */
async function move(login, code, button, fill = async () => {}) {
  const { page, close } = await staff(login)
  await page.goto(`/work?view=all&q=${code}`)
  await page.locator('.board-row', { hasText: code }).click()
  await page.locator('.moves').getByRole('button', { name: button, exact: true }).click()
  const dialog = page.getByRole('dialog')
  await fill(dialog, page)
  await dialog.locator('.dialog-foot button[type=submit]').click()
  await dialog.waitFor({ state: 'detached' })
  await close()
}

test('a report goes all the way', { skip, timeout: 240_000 }, async () => {
  const citizen = await open({ viewport: { width: 360, height: 800 }, isMobile: true, hasTouch: true, geolocation: PLACE, permissions: ['geolocation'] })
  const { page } = citizen
  await page.goto('/report')
  await page.locator('input[type=file]').setInputFiles(await photo(page, '#b08968'))
  // The photo leads to the place, GPS finds it, one tap confirms.
  await page.getByText('Phường Thái Bình').first().waitFor()
  await page.getByRole('button', { name: 'Đúng chỗ này' }).click()
  await page.getByLabel('Mô tả ngắn').fill('Rác thải chất đống trước cổng chợ từ sáng, bốc mùi khó chịu.')
  await page.locator('.tile', { hasText: 'Rác thải' }).click()
  await page.getByRole('button', { name: 'Gửi', exact: true }).click()
  const code = (await page.locator('.ticket-code').innerText()).trim()
  assert.match(code, /^[A-Z]{2}-[0-9A-HJKMNP-TV-Z]{6}$/)
  const tracking = await page.getByRole('link', { name: 'Theo dõi phản ánh' }).getAttribute('href')

  await move('dieuhanh', code, 'Tiếp nhận và chuyển xử lý')
  await move('canbo', code, 'Nhận xử lý')
  await move('canbo', code, 'Trình trả lời', async dialog => {
    await dialog.getByLabel('Nội dung gửi người dân').fill('Tổ vệ sinh đã thu gom toàn bộ rác lúc 10 giờ và đặt thêm thùng rác tại cổng chợ.')
  })
  await move('lanhdaoxa', code, 'Duyệt: đã xử lý xong', async (dialog, own) => {
    await dialog.locator('input[type=file]').setInputFiles(await photo(own, '#7cae7a'))
    await dialog.locator('.pick-item').waitFor()
  })

  const everybody = await open()
  await everybody.page.goto(`/r/${code}`)
  await everybody.page.getByText('đặt thêm thùng rác').waitFor()
  // A photo is public once faces were looked for on it, after those that came before; who opens the page later sees it.
  const after = everybody.page.getByText('Sau', { exact: true }).first()
  for (let n = 0; n < 30 && !(await after.isVisible()); n++) {
    await everybody.page.waitForTimeout(2_000)
    await everybody.page.reload()
    await everybody.page.getByText('đặt thêm thùng rác').waitFor()
  }
  await after.waitFor()
  await everybody.close()

  await page.goto(tracking)
  await page.getByText('Bạn hài lòng với kết quả?').waitFor()
  await page.locator('.stars-pick label').nth(4).click()
  await page.getByRole('button', { name: 'Gửi đánh giá' }).click()
  await page.getByRole('img', { name: '5 trên 5 sao' }).waitFor()
  await citizen.close()
})

test('without a network the report is kept and sent later, once', { skip, timeout: 120_000 }, async () => {
  const { page, close } = await open({ viewport: { width: 360, height: 800 }, geolocation: PLACE, permissions: ['geolocation'] })
  await page.goto('/report')
  await page.getByRole('button', { name: 'Tiếp tục không có ảnh' }).click()
  await page.getByText('Phường Thái Bình').first().waitFor()
  await page.getByRole('button', { name: 'Đúng chỗ này' }).click()
  await page.getByLabel('Mô tả ngắn').fill('Đèn đường không sáng đoạn qua trường học.')
  await page.locator('.tile', { hasText: 'Đèn đường' }).click()
  await page.context().setOffline(true)
  await page.getByRole('button', { name: 'Gửi', exact: true }).click()
  await page.getByText('Đã lưu trong máy').waitFor()
  await page.context().setOffline(false)
  await page.goto('/mine')
  await page.getByText('Đã gửi', { exact: true }).waitFor({ timeout: 45_000 })
  assert.equal(await page.locator('.card', { hasText: 'Đèn đường không sáng' }).count(), 1)
  await close()
})
