/** Photos before they are public: a face is proposed, a person moves the box, adds one, and the public sees the masked picture. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { DESK, HERE, lookOver, say, startCity, until } from './city.mjs'

const SMALL = { width: 360, height: 780 }
const file = name => readFileSync(new URL(`../../crates/cases/tests/files/${name}`, import.meta.url))
const mark = `Vỉa hè ${Date.now() % 100_000}`
let city
let sent
before(async () => {
  city = await startCity()
  const form = new FormData()
  form.set('report', new Blob([JSON.stringify({ category: 'garbage', text: `${mark} bị lấn chiếm`, lon: HERE.longitude, lat: HERE.latitude })], { type: 'application/json' }))
  form.set('photo', new Blob([file('face.jpg')], { type: 'image/jpeg' }))
  sent = await (await fetch(`${city.base}/api/cases`, { method: 'POST', body: form })).json()
  assert.match(sent.code ?? '', /^HY-/, JSON.stringify(sent))
})
after(() => city?.close())

/** The colours of a public photo within a box, as the browser shows it: how far apart they are at most. */
const spread = (page, sha, box) =>
  page.evaluate(async ({ sha, box }) => {
    const picture = await createImageBitmap(await (await fetch(`/api/cases/photos/${sha}`)).blob())
    const sheet = new OffscreenCanvas(picture.width, picture.height)
    const brush = sheet.getContext('2d')
    brush.drawImage(picture, 0, 0)
    const part = [box.x * picture.width, box.y * picture.height, box.w * picture.width, box.h * picture.height].map(Math.round)
    const { data } = brush.getImageData(...part)
    let most = 0
    for (let i = 0; i < data.length; i += 4) most = Math.max(most, Math.abs(data[i] - data[0]), Math.abs(data[i + 1] - data[1]), Math.abs(data[i + 2] - data[2]))
    return most
  }, { sha, box })

test('who reported adds a video from the phone', async () => {
  const page = await city.visitor({ viewport: SMALL })
  await page.goto(`${city.base}${sent.tracking}`)
  const field = page.locator('input[type=file][accept*="video"]')
  await field.waitFor({ state: 'attached' })
  await field.setInputFiles({ name: 'video.mp4', mimeType: 'video/mp4', buffer: file('video.mp4') })
  await page.getByText(say('citizen:recording.sent', { n: 1 })).waitFor()
  await city.shot(page, 'masks-0-video', true)
  assert.deepEqual(await lookOver(page), [])
  await page.setViewportSize(SMALL)
  await field.setInputFiles({ name: 'bai.mp4', mimeType: 'video/mp4', buffer: Buffer.from('no video at all') })
  await page.locator('.note').filter({ hasText: 'MP4' }).waitFor()
  // The refusal is told to the person; the browser also notes it.
  city.faults = city.faults.filter(fault => !fault.includes('415'))
  city.noFaults()
  await page.context().close()
})

test('the proposed box is moved, one is added, and the public photo is masked', async () => {
  const page = await city.visitor({ login: 'truongca', lands: '/work/moderation', viewport: SMALL })
  await page.getByRole('tab', { name: say('intake:photos') }).click()
  const link = page.getByRole('link', { name: new RegExp(mark) })
  await until('the face was found', async () => {
    if (await link.isVisible()) return true
    await page.reload()
    await page.getByRole('tab', { name: say('intake:photos') }).click()
    await link.waitFor({ timeout: 2_000 }).catch(() => {})
    return link.isVisible()
  })
  await city.shot(page, 'masks-1-list', true)
  assert.deepEqual(await lookOver(page), [])
  await page.setViewportSize(SMALL)
  await link.click()
  await page.getByText(say('work:mask.state.proposed', { n: 1 })).waitFor()
  await page.locator('video').waitFor()
  await city.shot(page, 'masks-2-case', true)
  assert.deepEqual(await lookOver(page), [])
  await page.setViewportSize(DESK)
  await city.shot(page, 'masks-2-case-wide', true)
  await page.getByRole('button', { name: say('work:mask.open') }).click()
  const dialog = page.getByRole('dialog')
  const box = n => dialog.getByRole('button', { name: say('work:mask.box', { n }), exact: true })
  await box(1).waitFor()
  const left = () => box(1).evaluate(element => Number.parseFloat(element.style.left))
  const start = await left()
  await box(1).focus()
  await page.keyboard.press('ArrowLeft')
  assert.ok(Math.abs(start - 1 - (await left())) < 0.01, 'the arrow moved it by a hundredth')
  // Another, drawn with the pointer where a number plate might be.
  const area = await dialog.locator('.mask-area').boundingBox()
  await page.mouse.move(area.x + area.width * 0.05, area.y + area.height * 0.8)
  await page.mouse.down()
  await page.mouse.move(area.x + area.width * 0.3, area.y + area.height * 0.95, { steps: 4 })
  await page.mouse.up()
  await box(2).waitFor()
  await city.shot(page, 'masks-3-boxes-wide')
  assert.deepEqual(await lookOver(page), [])
  await page.setViewportSize(SMALL)
  await city.shot(page, 'masks-3-boxes')
  await dialog.getByRole('button', { name: say('work:mask.do', { n: 2 }) }).click()
  await dialog.waitFor({ state: 'hidden' })
  await page.getByText(say('work:mask.state.masked')).waitFor()
  await city.shot(page, 'masks-4-masked', true)
  await page.getByRole('button', { name: 'Tiếp nhận và chuyển xử lý' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Tiếp nhận và chuyển xử lý' }).click()
  await page.getByRole('dialog').waitFor({ state: 'hidden' })

  const { photos } = await city.json(`/api/cases/public/${sent.code}`)
  assert.equal(photos.length, 1)
  const id = await page.evaluate(() => location.pathname.split('/').pop())
  const inside = await page.evaluate(async id => (await fetch(`/api/cases/${id}`)).json(), id)
  const [photo] = inside.photos
  assert.equal(photo.masked, photos[0])
  assert.equal((await fetch(`${city.base}/api/cases/photos/${photo.sha}`)).status, 401, 'the original is not public')
  // A little inside the edges: JPEG softens them.
  const within = b => ({ x: b.x + b.w * 0.15, y: b.y + b.h * 0.15, w: b.w * 0.7, h: b.h * 0.7 })
  for (const b of photo.boxes) assert.ok((await spread(page, photos[0], within(b))) < 14, 'one colour')
  assert.ok((await spread(page, photo.sha, within(photo.boxes[0]))) > 60, 'a face in the original')
  city.noFaults()
  await page.context().close()
})

test('everybody sees the masked photo', async () => {
  const page = await city.visitor({ viewport: SMALL })
  await page.goto(`${city.base}/r/${sent.code}`)
  await page.locator('main img').first().waitFor()
  await city.shot(page, 'masks-5-public', true)
  assert.deepEqual(await lookOver(page), [])
  await page.setViewportSize(DESK)
  await city.shot(page, 'masks-5-public-wide', true)
  city.noFaults()
  await page.context().close()
})
