/** What is learned and what is open: suggestions at triage and what they are worth, reports by commune, a year in figures. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { DESK, HERE, PHONE, lookOver, say, startCity } from './city.mjs'

const SMALL = { width: 360, height: 800 }
let city
before(async () => {
  city = await startCity()
})
after(() => city?.close())

async function report(text, category, north = 0) {
  const form = new FormData()
  form.set('report', new Blob([JSON.stringify({ kind: 'report', category, text, lon: HERE.longitude, lat: HERE.latitude + north })], { type: 'application/json' }))
  const answer = await fetch(`${city.base}/api/cases`, { method: 'POST', body: form })
  assert.equal(answer.status, 201, await answer.clone().text())
  return answer.json()
}

/** Looks at a public page on a small phone and at a desk, in both languages. */
async function bothWays(path, ready, name) {
  for (const [size, viewport] of [['small', SMALL], ['desk', DESK]]) {
    const page = await city.visitor({ viewport })
    await page.goto(city.base + path)
    await ready(page)
    await city.shot(page, `${name}-${size}`, true)
    assert.deepEqual(await lookOver(page), [])
    await page.setViewportSize(viewport)
    await page.getByRole('button', { name: say('ui.switch_language') }).first().click()
    await page.locator('html[lang=en]').waitFor()
    await city.shot(page, `${name}-${size}-en`, true)
    assert.deepEqual(await lookOver(page, { lang: 'en' }), [])
    await page.context().close()
  }
  city.noFaults()
}

test('reports by commune are a map and a table, and say what is not known', async () => {
  await bothWays('/stats/map', async page => {
    await page.getByText(say('citizen:density.no_people')).waitFor()
    assert.ok((await page.getByRole('row').count()) > 50, 'every commune has a row')
  }, 'density')
})

test('a year stands beside the year before', async () => {
  const year = new Date().getFullYear()
  await bothWays(`/stats/${year}`, page => page.getByRole('heading', { name: say('citizen:year.compared') }).waitFor(), 'year')
  await bothWays('/stats', page => page.getByRole('link', { name: say('citizen:year.report', { year }) }).waitFor(), 'stats')
})

test('what is learned is told, also that there is not enough yet', async () => {
  const page = await city.visitor({ login: 'admin', lands: '/admin/learning', viewport: SMALL })
  await page.getByText(say('admin:learn.none_body')).waitFor()
  await city.shot(page, 'learning-small', true)
  assert.deepEqual(await lookOver(page), [])
  await page.setViewportSize(DESK)
  await city.shot(page, 'learning-desk', true)
  await page.goto(`${city.base}/admin/routing`)
  await page.getByText(say('admin:routing.of_pack')).waitFor()
  await city.shot(page, 'routing-desk', true)
  await page.setViewportSize(SMALL)
  await city.shot(page, 'routing-small', true)
  city.noFaults()
  await page.context().close()
})

test('the centre sees what may be the same, and corrects the category with its step', async () => {
  const before = await report('Nắp cống trước cổng chợ bị vỡ, xe máy dễ sập bánh', 'drainage')
  const twin = await report('nap cong truoc cong cho bi vo xe may de sap banh', 'other', 0.0004)
  const page = await city.visitor({ login: 'truongca', lands: `/work/${twin.id}`, viewport: DESK })
  await page.getByText(say('work:advice.similar')).waitFor()
  await page.getByRole('link', { name: /Nắp cống trước cổng chợ/ }).waitFor()
  await city.shot(page, 'advice-desk', true)
  assert.deepEqual(await lookOver(page), [])
  await page.setViewportSize(PHONE)
  await page.getByRole('button', { name: 'Tiếp nhận và chuyển xử lý' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText(say('work:move.correct')).click()
  await dialog.getByLabel(say('work:move.category')).selectOption('drainage')
  await city.shot(page, 'advice-correct')
  await dialog.getByRole('button', { name: 'Tiếp nhận và chuyển xử lý' }).click()
  await page.getByRole('heading', { name: 'Ngập úng, cống rãnh', level: 1 }).waitFor()
  assert.equal((await city.json(`/api/cases/public/${twin.code}`)).category, 'drainage')
  assert.notEqual(before.code, twin.code)
  city.noFaults()
  await page.context().close()
})
