/**
 * A small stand-in for the server, for work on screens only: it follows the shape of the API, keeps everything in memory and checks nothing.
 * MOCK_AREAS names a GeoJSON file of communes (default: the base pack's). MOCK_MODE=empty|error|slow shows the other states of the screens.
 */
import { createServer } from 'node:http'
import { existsSync, readFileSync } from 'node:fs'
import { randomUUID } from 'node:crypto'
import { extname, join } from 'node:path'
import { deflateSync } from 'node:zlib'
import { staff } from './staff.mjs'

const PORT = Number(process.env.PORT ?? 8080)
const MODE = process.env.MOCK_MODE ?? ''
const root = new URL('..', import.meta.url).pathname
const areasFile = process.env.MOCK_AREAS ?? join(root, '../packs/base/access/outlines/communes_33.geojson')
const areas = existsSync(areasFile) ? JSON.parse(readFileSync(areasFile, 'utf8')) : { type: 'FeatureCollection', features: [] }
for (const f of areas.features) f.properties = { code: f.properties.code, name: f.properties.fullName ?? f.properties.name, level: 'commune' }

let seed = 7
const rnd = () => ((seed = (seed * 16807) % 2147483647) / 2147483647)
const pick = list => list[Math.floor(rnd() * list.length)]
const iso = minutes => new Date(Date.now() + minutes * 60_000).toISOString()
const centre = f => {
  const ring = f.geometry.type === 'Polygon' ? f.geometry.coordinates[0] : f.geometry.coordinates[0][0]
  const sum = ring.reduce((a, p) => [a[0] + p[0], a[1] + p[1]], [0, 0])
  return { lon: sum[0] / ring.length, lat: sum[1] / ring.length }
}
const code = () => 'HY-' + Array.from({ length: 6 }, () => '0123456789ABCDEFGHJKMNPQRSTVWXYZ'[Math.floor(rnd() * 32)]).join('')

/** A picture without any library: a gradient PNG. */
function png(hue, w = 240, h = 180) {
  const rows = Buffer.alloc((w * 3 + 1) * h)
  for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) {
    const at = y * (w * 3 + 1) + 1 + x * 3
    const ground = y > h * 0.6
    rows[at] = (ground ? 120 : 170) + hue * 0.2 + ((x * 7 + y * 13) % 17)
    rows[at + 1] = (ground ? 110 : 200) - hue * 0.2 + ((x * 5 + y * 3) % 13)
    rows[at + 2] = (ground ? 90 : 220) - y * 0.2
  }
  const crcTable = Array.from({ length: 256 }, (_, n) => { let c = n; for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1; return c >>> 0 })
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data])
    let c = 0xffffffff
    for (const b of body) c = crcTable[(c ^ b) & 255] ^ (c >>> 8)
    const out = Buffer.alloc(body.length + 8)
    out.writeUInt32BE(data.length, 0)
    body.copy(out, 4)
    out.writeUInt32BE((c ^ 0xffffffff) >>> 0, body.length + 4)
    return out
  }
  const head = Buffer.alloc(13)
  head.writeUInt32BE(w, 0)
  head.writeUInt32BE(h, 4)
  head.set([8, 2, 0, 0, 0], 8)
  return Buffer.concat([Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), chunk('IHDR', head), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))])
}

const categories = [
  ['waste', 'Rác thải, vệ sinh', 'Waste', 'trash'], ['water', 'Cấp nước', 'Water supply', 'water'], ['drain', 'Thoát nước, ngập úng', 'Drains and flooding', 'drain'], ['road', 'Đường hư hỏng', 'Damaged road', 'road'],
  ['light', 'Chiếu sáng công cộng', 'Street lighting', 'light'], ['air', 'Khói bụi, mùi hôi', 'Smoke and smell', 'smoke'], ['tree', 'Cây xanh', 'Trees', 'tree'], ['noise', 'Tiếng ồn', 'Noise', 'noise'], ['order', 'Trật tự đô thị', 'Public order', 'order'], ['power', 'Điện, cáp', 'Power and cables', 'power'],
].map(([c, name, name_en, icon]) => ({ code: c, name, name_en, icon, group: 'city', questions: [], hint: undefined, deadline_minutes: 1440 }))
const texts = ['Rác chất đống trước cổng chợ đã ba ngày, bốc mùi rất khó chịu.', 'Nắp cống vỡ giữa đường, trẻ em đi học về rất nguy hiểm.', 'Đèn đường cả đoạn không sáng từ tuần trước.', 'Đốt rơm rạ ngoài đồng, khói bay vào khu dân cư mỗi chiều.', 'Cây nghiêng sát dây điện, mưa to sợ đổ.', 'Ổ gà sâu gần cầu, xe máy ngã hai lần hôm qua.', 'Nước máy đục từ sáng, có mùi clo mạnh.', 'Quán hát mở loa sau 23 giờ.']
const states = { received: ['Đã tiếp nhận', 'Received', 'open'], handling: ['Đang xử lý', 'In progress', 'working'], asking: ['Chờ người gửi bổ sung', 'Waiting for reporter', 'waiting'], answered: ['Đã trả lời', 'Answered', 'solved'], refused: ['Không thuộc thẩm quyền', 'Not ours', 'unsolved'] }
const log = (at, step_name, step_name_en, from, to, more = {}) => ({ at, by: 'Nguyễn Văn An', step: 'x', step_name, step_name_en, from, to, unit: more.unit ?? { id: '', name: '' }, photos: [], late_minutes: 0, ...more })
const cases = Array.from({ length: MODE === 'empty' ? 0 : 140 }, (_, i) => {
  const f = pick(areas.features) ?? { properties: { code: '12345', name: 'Phường Phố Hiến' }, geometry: { type: 'Polygon', coordinates: [[[106.05, 20.65]]] } }
  const c = pick(categories)
  const state = pick(['received', 'handling', 'handling', 'asking', 'answered', 'answered', 'answered', 'refused'])
  const [state_name, state_name_en, phase] = states[state]
  const p = centre(f)
  const opened = -Math.floor(rnd() * 9000) - 30
  const due = Math.floor(rnd() * 5000) - 900
  const ended = phase === 'solved' || phase === 'unsolved'
  const unit = { id: `ubnd-${f.properties.code}`, name: `UBND ${f.properties.name.replace(/^Phường/, 'phường').replace(/^Xã/, 'xã')}` }
  const answer = 'Đơn vị đã kiểm tra và xử lý xong trong ngày. Tổ vệ sinh sẽ kiểm tra lại vào thứ Hai hằng tuần.'
  return {
    id: randomUUID(), kind: 'report', code: i === 0 ? 'HY-7K2M9P' : code(), category: c.code, category_name: c.name, category_name_en: c.name_en, urgency: 'normal', urgency_name: 'Bình thường', state, state_name, state_name_en, phase, unit,
    area: f.properties.code, area_name: f.properties.name, address: null, location: { lon: p.lon + (rnd() - 0.5) * 0.02, lat: p.lat + (rnd() - 0.5) * 0.02 }, text: pick(texts), answers: {}, published: true, photos: rnd() > 0.35 ? [`b${i}`] : [],
    source: 'web', opened_at: iso(opened), due_at: iso(due), closed_at: ended ? iso(-20) : undefined, overdue: !ended && due < 0, minutes_left: Math.round(due * 0.4), extended: false, assignee: rnd() > 0.5 ? 'Trần Thị Hoa' : null,
    answer: ended ? { text: answer, at: iso(-20), photos: phase === 'solved' ? [`a${i}`] : [] } : undefined, rating: phase === 'solved' && rnd() > 0.4 ? Math.ceil(rnd() * 3) + 2 : undefined, followers: Math.floor(rnd() * 9), version: 3,
    log: [log(iso(opened), 'Tiếp nhận', 'Received', '', 'received', { by: 'reporter', unit }), log(iso(opened + 25), 'Chuyển xử lý', 'Assigned', 'received', 'handling', { unit, note: 'Đề nghị kiểm tra ngay trong buổi sáng, điểm này đã có phản ánh tháng trước.' }), ...(ended ? [log(iso(-20), 'Trả lời công khai', 'Answered', 'handling', state, { unit, public_text: answer, photos: [`a${i}`] })] : [])],
    moves: [], clock: { used_minutes: Math.min(480, Math.floor(rnd() * 520)), total_minutes: 480, paused: state === 'asking', stopped: ended }, routing: { rule: 'commune-default', why: `Loại việc “${c.name}” ở ${f.properties.name} do UBND cấp xã xử lý.` },
    replies: [{ code: 'done', title: 'Đã xử lý xong', text: 'Đơn vị đã kiểm tra và xử lý xong ngày …. Cảm ơn ông/bà đã phản ánh.', moves: [], categories: [] }, { code: 'plan', title: 'Đưa vào kế hoạch', text: 'Nội dung đã được đưa vào kế hoạch sửa chữa, dự kiến hoàn thành ngày ….', moves: [], categories: [] }],
  }
})
const moves = { received: [['accept', 'Nhận xử lý', 'Accept', []], ['redirect', 'Chuyển đơn vị khác', 'Redirect', ['unit', 'reason']]], handling: [['answer', 'Trả lời công khai', 'Answer in public', ['public_answer', 'photo_after']], ['ask', 'Hỏi lại người gửi', 'Ask the reporter', ['reason']], ['redirect', 'Chuyển đơn vị khác', 'Redirect', ['unit', 'reason']], ['refuse', 'Từ chối có lý do', 'Refuse', ['public_answer', 'reason']]] }
const withMoves = item => ({ ...item, photos: item.photos.map(sha => ({ sha, stage: 'report', public: true, width: 240, height: 180, mask: 'proposed', boxes: [{ x: 0.3, y: 0.2, w: 0.18, h: 0.3 }] })), media: [], parts: [], may_split: false, private: false, screening: { flags: [{ code: 'phone', name: 'Số điện thoại', name_en: 'Telephone number', words: ['0900 000 000'] }], proposal: item.text }, moves: (moves[item.state] ?? []).map(([c, name, name_en, requires]) => ({ code: c, name, name_en, requires })) })
const open = item => ({
  ...Object.fromEntries(['code', 'category', 'category_name', 'category_name_en', 'phase', 'state', 'state_name', 'state_name_en', 'text', 'location', 'area', 'area_name', 'unit', 'opened_at', 'due_at', 'closed_at', 'overdue', 'photos', 'answer', 'rating', 'followers'].map(k => [k, item[k]])),
  timeline: item.log.map(l => ({ at: l.at, what: l.step_name, what_en: l.step_name_en, unit: l.unit })),
})

const stations = Array.from({ length: MODE === 'empty' ? 0 : 12 }, (_, i) => {
  const f = areas.features[(i * 9 + 4) % Math.max(1, areas.features.length)]
  const p = f ? centre(f) : { lon: 106.1, lat: 20.7 }
  const aqi = [38, 72, 118, 163, 224, 91, 55, 134, 47, 66, 320, 88][i]
  const r = (value, unit) => ({ value, unit, observed_at: iso(-12) })
  return { id: `urn:ngsi-ld:AirQualityObserved:hy-aq-${String(i + 1).padStart(2, '0')}`, type: 'AirQualityObserved', name: `Trạm không khí ${f?.properties.name ?? i}`, location: p, area: f?.properties.code, area_name: f?.properties.name, attributes: { vnAqi: r(aqi), pm25: r(aqi * 0.42, 'GQ'), pm10: r(aqi * 0.7, 'GQ'), temperature: r(27.3, 'CEL') }, observed_at: iso(-12), state: i === 7 ? 'silent' : 'ok', source: 'OpenAQ, CC BY 4.0' }
})

let who = null
const reads = ['context-read', 'alarm-read', 'scorecard-read']
const people = {
  canbo: ['staff', 'Trần Thị Hoa', [...reads, 'case-read', 'case-handle', 'case-identity']], congdan: ['citizen', 'Lê Minh', []], dieuhanh: ['staff', 'Phạm Văn Đức', [...reads, 'case-read', 'case-triage', 'alarm-handle']],
  chutich: ['staff', 'Vũ Thị Mai', [...reads, 'case-read', 'history-query']], thongke: ['staff', 'Đỗ Thu Hà', [...reads, 'indicator-report']], duyet: ['staff', 'Bùi Quang Huy', [...reads, 'indicator-approve']],
  admin: ['staff', 'Quản trị viên', [...reads, 'people-manage', 'units-manage', 'pack-manage', 'audit-read', 'system-read', 'case-read', 'device-manage', 'history-query', 'context-write']],
}
const me = () => ({ ...(who ? { kind: people[who][0], id: who, name: people[who][1], login: who, csrf: 'token', permissions: people[who][2], grants: [{ role: 'officer', role_name: 'Cán bộ xử lý', unit: { id: 'ubnd-11953', name: 'UBND phường Phố Hiến' } }] } : { kind: 'anonymous', name: '', permissions: [], grants: [] }), home: { code: '33', name: 'Tỉnh Hưng Yên' } })
const page = (list, q) => { const from = Number(q.get('after') ?? 0), n = Number(q.get('limit') ?? 50); return { items: list.slice(from, from + n), ...(from + n < list.length ? { next: String(from + n) } : {}), total: list.length } }
const fold = s => (s ?? '').normalize('NFD').replace(/[\u0300-\u036f]/g, '').replace(/đ/gi, 'd').toLowerCase()
const inside = (pt, f) => (f.geometry.type === 'Polygon' ? [f.geometry.coordinates] : f.geometry.coordinates).some(poly => { let hit = false; const r = poly[0]; for (let i = 0, j = r.length - 1; i < r.length; j = i++) if (r[i][1] > pt.lat !== r[j][1] > pt.lat && pt.lon < ((r[j][0] - r[i][0]) * (pt.lat - r[i][1])) / (r[j][1] - r[i][1]) + r[i][0]) hit = !hit; return hit })

const routes = [
  ['GET', /^\/api\/access\/me$/, () => me()],
  ['POST', /^\/api\/access\/sign-in$/, (_, __, body) => { const b = JSON.parse(body || '{}'); if (!people[b.login]) return [401, { code: 'access.bad-credentials', status: 401 }]; who = b.login; return me() }],
  ['POST', /^\/api\/access\/sign-out$/, () => { who = null; return [204] }],
  ['GET', /^\/api\/access\/areas\.geojson$/, () => areas],
  ['GET', /^\/api\/access\/locate$/, (_, q) => { const f = areas.features.find(x => inside({ lon: +q.get('lon'), lat: +q.get('lat') }, x)); return f ? { commune: f.properties.code, commune_name: f.properties.name, province: '33', province_name: 'Tỉnh Hưng Yên' } : [404, { code: 'access.place.outside', status: 404 }] }],
  ['GET', /^\/api\/access\/search$/, (_, q) => page(fold(q.get('q')).includes('thai binh') ? [{ code: '336', name: 'Thành phố Thái Bình', level: 'district', current: areas.features.slice(60, 63).map(f => ({ code: f.properties.code, name: f.properties.name })) }] : [], q)],
  ['GET', /^\/api\/access\/units$/, (_, q) => page(areas.features.map(f => ({ id: `ubnd-${f.properties.code}`, kind: 'organisation', level: 'commune', name: `UBND ${f.properties.name}` })), q)],
  ['GET', /^\/api\/cases\/types$/, () => [{ kind: 'report', title: 'Phản ánh hiện trường', title_en: 'Field report', categories, groups: [], urgencies: [{ code: 'urgent', name: 'Khẩn', name_en: 'Urgent' }, { code: 'normal', name: 'Bình thường', name_en: 'Normal' }], states: [], flags: [{ code: 'phone', name: 'Số điện thoại', name_en: 'Telephone number' }], private_notice: 'Phản ánh riêng: công chúng chỉ thấy loại việc và tình trạng.', private_notice_en: 'Private: the public sees kind and state only.', media: 3, media_bytes: 31457280, media_seconds: 120, emergency_notice: 'Nguy hiểm đến tính mạng: gọi 113, 114 hoặc 115 trước.', emergency_notice_en: 'Life in danger: call 113, 114 or 115 first.', excluded_notice: 'Khiếu nại, tố cáo theo luật xin gửi qua cơ quan có thẩm quyền.', excluded_notice_en: 'Legal complaints go to the competent authority.', text_chars: 2000, photos: 5, photo_bytes: 1e7 }]],
  ['GET', /^\/api\/cases\/public$/, (_, q) => page(cases.filter(c => (!q.get('phase') || c.phase === q.get('phase')) && fold(c.text + c.area_name).includes(fold(q.get('q')))).map(open).map(({ timeline, ...rest }) => rest), q)],
  ['GET', /^\/api\/cases\/public\.geojson$/, (_, q) => ({ type: 'FeatureCollection', features: cases.filter(c => !q.get('phase') || c.phase === q.get('phase')).map(c => ({ type: 'Feature', properties: { code: c.code, category: c.category, phase: c.phase }, geometry: { type: 'Point', coordinates: [c.location.lon, c.location.lat] } })) })],
  ['GET', /^\/api\/cases\/(public|track)\/([^/]+)$/, (m, q) => { const c = cases.find(x => x.code === m[2]); if (!c) return [404, { code: 'case.unknown', status: 404 }]; return { ...open(c), ...(m[1] === 'track' ? { own: { id: c.id, text: c.text, photos: c.photos, contact_left: false, may_rate: c.phase === 'solved' && !c.rating, moves: [], version: c.version } } : {}) } }],
  ['POST', /^\/api\/cases\/public\/([^/]+)\/follow$/, m => { const c = cases.find(x => x.code === m[1]); c.followers++; return { followers: c.followers } }],
  ['POST', /^\/api\/cases\/public\/([^/]+)\/rating$/, (m, _, body) => { const c = cases.find(x => x.code === m[1]); c.rating = JSON.parse(body).stars; return open(c) }],
  ['GET', /^\/api\/cases\/mine$/, (_, q) => page(cases.slice(3, 8).map(open), q)],
  ['GET', /^\/api\/cases\/nearby$/, (_, q) => cases.filter(c => c.category === q.get('category') && (c.phase === 'open' || c.phase === 'working')).slice(0, 2).map(open)],
  ['GET', /^\/api\/cases\/stats$/, () => ({ from: iso(-129600), to: iso(0), group: 'category', rows: categories.map(c => ({ key: c.code, name: c.name, opened: MODE === 'empty' ? 0 : 128, closed: 117, open: 11, overdue: 2, on_time: 109, solved: 99, rated: 60, satisfied: 51, mean_stars: 4.2 })) })],
  ['GET', /^\/api\/cases\/hours$/, () => ({ open: false, opens_at: iso(600) })],
  ['GET', /^\/api\/cases\/barred$/, (_, q) => page([{ id: randomUUID(), kind: 'phone', label: '•••678', reason: 'Gửi tin giả nhiều lần', by: 'truongca', at: iso(-900), until: iso(40_000), active: true, hits: 3 }], q)],
  ['POST', /^\/api\/cases\/calls\/([^/]+)$/, () => ({ followers: 2 })],
  ['POST', /^\/api\/cases\/([^/]+)\/photos\/([^/]+)\/mask$/, m => withMoves(cases.find(x => x.id === m[1]))],
  ['GET', /^\/api\/cases\/counts$/, () => ({ open: cases.filter(c => !c.closed_at).length, overdue: cases.filter(c => c.overdue).length, soon: 4, unassigned: cases.filter(c => !c.assignee).length, answered_today: 6 })],
  ['GET', /^\/api\/cases$/, (_, q) => page(cases.filter(c => (q.get('view') !== 'todo' || !c.closed_at) && (q.get('due') !== 'overdue' || c.overdue) && (!q.get('category') || c.category === q.get('category')) && fold(c.text + c.code + c.area_name).includes(fold(q.get('q')))).sort((a, b) => a.due_at.localeCompare(b.due_at)).map(c => ({ ...c, flags: ['phone'], part: false, text_short: c.text.slice(0, 90) })), q)],
  ['POST', /^\/api\/cases$/, () => { const c = { ...cases[5], id: randomUUID(), code: code() }; cases.unshift(c); return [201, { id: c.id, code: c.code, key: 'k3y', tracking: `/t/${c.code}#k3y`, due_at: iso(1440), unit: c.unit, state: 'received', phase: 'open' }] }],
  ['POST', /^\/api\/cases\/([^/]+)\/moves\/([^/]+)$/, m => { const c = cases.find(x => x.id === m[1]); c.version++; c.state = m[2] === 'answer' ? 'answered' : 'handling'; [c.state_name, c.state_name_en, c.phase] = states[c.state]; c.log.push(log(iso(0), 'Bước ' + m[2], 'Step ' + m[2], '', c.state, { unit: c.unit })); return withMoves(c) }],
  ['GET', /^\/api\/cases\/([^/]+)\/identity$/, () => ({ code: 'x', contact: { name: 'Người gửi', phone: '0900 000 000' } })],
  ['GET', /^\/api\/cases\/([0-9a-f-]{36})$/, m => { const c = cases.find(x => x.id === m[1]); return c ? withMoves(c) : [404, { code: 'case.unknown', status: 404 }] }],
  ['GET', /^\/api\/context\/things$/, (_, q) => page(stations, q)],
  ['GET', /^\/api\/context\/types$/, () => [{ type: 'AirQualityObserved', name: 'Trạm không khí', name_en: 'Air station', icon: 'air', main_attribute: 'vnAqi', attributes: [{ name: 'vnAqi', title: 'VN_AQI', title_en: 'VN_AQI' }, { name: 'pm25', title: 'Bụi PM2.5', title_en: 'PM2.5', unit: 'GQ', unit_text: 'µg/m³' }, { name: 'pm10', title: 'Bụi PM10', title_en: 'PM10', unit: 'GQ', unit_text: 'µg/m³' }, { name: 'temperature', title: 'Nhiệt độ', title_en: 'Temperature', unit: 'CEL', unit_text: '°C' }], count: stations.length }]],
]
const more = staff({ MODE, areas, stations, cases, iso, page, fold, who: () => (who ? people[who][1] : '') })
routes.unshift(...more.routes)

const types = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.css': 'text/css', '.json': 'application/json', '.svg': 'image/svg+xml', '.png': 'image/png', '.woff2': 'font/woff2', '.webmanifest': 'application/manifest+json', '.pbf': 'application/x-protobuf' }
createServer((request, response) => {
  const url = new URL(request.url, 'http://x')
  let body = ''
  request.setEncoding('latin1').on('data', part => (body += part)).on('end', () => setTimeout(answer, MODE === 'slow' && url.pathname.startsWith('/api') ? 3000 : 0))
  function answer() {
    if (url.pathname === '/api/live') {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
      response.write(': here\n\nevent: hello\ndata: {}\n\n')
      more.listen(response)
      return
    }
    const photo = /^\/api\/cases\/photos\/([ab])(\d+)$/.exec(url.pathname)
    if (photo) return response.writeHead(200, { 'content-type': 'image/png' }).end(png(photo[1] === 'a' ? 10 : 160))
    if (url.pathname.startsWith('/api/')) {
      if (MODE === 'error' && !url.pathname.includes('/access/')) return response.writeHead(503, { 'content-type': 'application/problem+json' }).end('{"code":"server.busy","status":503}')
      for (const [method, pattern, make] of routes) {
        const found = pattern.exec(url.pathname)
        if (request.method !== method || !found) continue
        const made = make(found, url.searchParams, body)
        const [status, json] = Array.isArray(made) && typeof made[0] === 'number' ? made : [200, made]
        return response.writeHead(status, { 'content-type': 'application/json' }).end(json === undefined ? '' : JSON.stringify(json))
      }
      return response.writeHead(404, { 'content-type': 'application/problem+json' }).end('{"code":"route.unknown","status":404}')
    }
    const last = url.pathname.split('/').at(-1)
    const file = join(root, 'dist', last.includes('.') ? decodeURIComponent(url.pathname) : 'index.html')
    if (!existsSync(file)) return response.writeHead(404).end()
    response.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream' }).end(readFileSync(file))
  }
}).listen(PORT, '127.0.0.1', () => console.log(`mock on http://127.0.0.1:${PORT}`))
