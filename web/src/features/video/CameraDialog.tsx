import { useEffect, useState, type FormEvent } from 'react'
import { can, useCamera, useCameraCatalogue, useConfirmView, useDrawingBoard, useMe, useSaveCamera, type CameraDetector, type CameraInput, type CameraMask, type CameraRecord, type CameraView } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Button, Check, Dialog, FailedNote, Field, Input, Loaded, Note, Select, toast } from '@/ui'
import { ShapeEditor } from './ShapeEditor'
import type { Shape } from './shapes'

/** What the form begins with: a camera, or what a device said of itself. */
export interface CameraStart {
  id?: string
  name?: string
  url?: string
  user?: string
  password?: string
}

const RECORDS: readonly CameraRecord[] = ['none', 'always', 'hours', 'event']
const corners = (shape: Shape): [number, number][] => shape.points.map(([x, y]) => [x, y])

/** Masks and detectors, drawn on the camera's picture. */
function Drawing({ camera, masks, detectors, onMasks, onDetectors }: { camera: string; masks: CameraMask[]; detectors: CameraDetector[]; onMasks: (masks: CameraMask[]) => void; onDetectors: (detectors: CameraDetector[]) => void }) {
  const t = useT()
  const lng = useLanguage()
  const board = useDrawingBoard()
  const catalogue = useCameraCatalogue()
  const picture = board.data
  useEffect(() => () => { if (picture) URL.revokeObjectURL(picture) }, [picture])
  const choices = (catalogue.data?.models ?? []).flatMap(model => model.counts.map(count => ({ model, count, key: `${model.code}/${count.attribute}` })))
  const chosen = (d: CameraDetector) => choices.find(c => c.key === `${d.model}/${d.attribute}`)
  const as = (c: (typeof choices)[number]) => ({ model: c.model.code, attribute: c.count.attribute, classes: c.count.classes })
  const set = (n: number, change: Partial<CameraDetector>) => onDetectors(detectors.map((d, i) => (i === n ? { ...d, ...change } : d)))
  const add = () => {
    const [first] = choices
    if (first) onDetectors([...detectors, { ...as(first), code: `dem-${detectors.length + 1}`, counting: { kind: 'line', a: [0.1, 0.6], b: [0.9, 0.6] }, every_seconds: 60 }])
  }
  if (!picture)
    return (
      <section className="stack-s">
        <h3>{t('video:drawing.title')}</h3>
        <p className="quiet">{t('video:drawing.lead', { n: masks.length, m: detectors.length })}</p>
        <FailedNote error={board.error} />
        <div className="row"><Button look="secondary" busy={board.isPending} onClick={() => board.mutate(camera)}>{t('video:drawing.open')}</Button></div>
      </section>
    )
  return (
    <section className="stack">
      <h3>{t('video:drawing.masks')}</h3>
      <ShapeEditor kind="mask" picture={picture} alt={t('video:drawing.picture')} most={20} value={masks.map(m => ({ points: m.corners, name: m.name }))} onChange={shapes => onMasks(shapes.map(s => ({ name: s.name ?? '', corners: corners(s) })))} />
      {choices.length ? (
        <>
          <h3>{t('video:drawing.detectors')}</h3>
          {detectors.map((d, n) => (
            <div key={n} className="stack-s cam-detector">
              <div className="cam-grid">
                <Field label={t('video:drawing.code')}>{ids => <Input {...ids} required maxLength={40} value={d.code} onChange={e => set(n, { code: e.target.value })} />}</Field>
                <Field label={t('video:drawing.kind')}>{ids => <Select {...ids} value={d.counting.kind} onChange={e => set(n, { counting: e.target.value === 'line' ? { kind: 'line', a: [0.1, 0.6], b: [0.9, 0.6] } : { kind: 'zone', corners: [[0.2, 0.4], [0.8, 0.4], [0.8, 0.9], [0.2, 0.9]] } })}><option value="line">{t('video:drawing.line')}</option><option value="zone">{t('video:drawing.zone')}</option></Select>}</Field>
                <Field label={t('video:drawing.what')}>{ids => <Select {...ids} value={chosen(d)?.key} onChange={e => { const next = choices.find(c => c.key === e.target.value); if (next) set(n, as(next)) }}>{choices.map(c => <option key={c.key} value={c.key}>{named(lng, c.count.name, c.count.name_en)}</option>)}</Select>}</Field>
                <Field label={t('video:drawing.every')}>{ids => <Input {...ids} type="number" min={5} max={3600} value={d.every_seconds} onChange={e => set(n, { every_seconds: Number(e.target.value) })} />}</Field>
              </div>
              {chosen(d) ? <p className="small quiet">{named(lng, chosen(d)?.model.name ?? '', chosen(d)?.model.name_en ?? '')}: {chosen(d)?.model.source} ({chosen(d)?.model.licence}). {chosen(d)?.model.note}</p> : null}
              <ShapeEditor kind={d.counting.kind} picture={picture} alt={t('video:drawing.picture')} most={1} value={[{ points: d.counting.kind === 'line' ? [d.counting.a, d.counting.b] : d.counting.corners }]} onChange={shapes => {
                const points = shapes[0] ? corners(shapes[0]) : undefined
                const [a, b] = points ?? []
                if (points && d.counting.kind === 'zone') set(n, { counting: { kind: 'zone', corners: points } })
                else if (a && b) set(n, { counting: { kind: 'line', a, b } })
              }} />
              <div className="row"><Button look="quiet" size="small" onClick={() => onDetectors(detectors.filter((_, i) => i !== n))}>{t('video:drawing.drop')}</Button></div>
            </div>
          ))}
          <div className="row"><Button look="secondary" size="small" disabled={detectors.length >= 5} onClick={add}>{t('video:drawing.add')}</Button></div>
        </>
      ) : null}
    </section>
  )
}

function Form({ old, start, onClose }: { old?: CameraView; start: CameraStart; onClose: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const me = useMe()
  const catalogue = useCameraCatalogue()
  const save = useSaveCamera()
  const confirm = useConfirmView()
  const text = (value: number | null | undefined) => (value == null ? '' : String(value))
  const [form, setForm] = useState({
    code: old?.code ?? '',
    name: old?.name ?? start.name ?? '',
    address: old?.address ?? '',
    lon: text(old?.location?.lon),
    lat: text(old?.location?.lat),
    bearing: text(old?.bearing),
    angle: text(old?.angle),
    reach: text(old?.reach),
    sector: old?.sector ?? 'order',
    purpose: old?.purpose ?? '',
    legal: old?.legal ?? '',
    retention: old?.retention_own ? String(old.retention_days) : '',
    url: old?.url ?? start.url ?? '',
    user: start.user ?? '',
    password: start.password ?? '',
    from: old?.hours[0]?.from ?? '06:00',
    to: old?.hours[0]?.to ?? '22:00',
  })
  const [record, setRecord] = useState<CameraRecord>(old?.record ?? 'none')
  const [active, setActive] = useState(old?.active ?? true)
  const [masks, setMasks] = useState(old?.masks ?? [])
  const [detectors, setDetectors] = useState(old?.detectors ?? [])
  const set = (key: keyof typeof form) => (e: { target: { value: string } }) => setForm(before => ({ ...before, [key]: e.target.value }))
  const number = (words: string) => {
    const value = Number(words.replace(',', '.'))
    return words.trim() !== '' && Number.isFinite(value) ? value : undefined
  }
  const send = (event: FormEvent) => {
    event.preventDefault()
    const [lon, lat, bearing, angle, reach, days] = [form.lon, form.lat, form.bearing, form.angle, form.reach, form.retention].map(number)
    const input: CameraInput = {
      code: form.code.trim(),
      name: form.name.trim(),
      address: form.address.trim(),
      sector: form.sector.trim(),
      purpose: form.purpose || (catalogue.data?.purposes[0]?.code ?? ''),
      legal: form.legal.trim(),
      record,
      hours: record === 'hours' ? [{ from: form.from, to: form.to }] : [],
      url: form.url.trim(),
      active,
      ...(lon !== undefined && lat !== undefined ? { location: { lon, lat } } : {}),
      ...(bearing !== undefined ? { bearing } : {}),
      ...(angle !== undefined ? { angle } : {}),
      ...(reach !== undefined ? { reach } : {}),
      ...(days !== undefined ? { retention_days: days } : {}),
      ...(form.user.trim() ? { user: form.user.trim(), password: form.password } : {}),
      ...(old ? { version: old.version, masks, detectors, ...(old.unit ? { unit: old.unit.id } : {}), ...(lon === undefined && old.commune ? { commune: old.commune.id } : {}) } : {}),
    }
    save.mutate({ ...(old ? { id: old.id } : {}), input }, { onSuccess: () => { toast(t('video:saved')); onClose() } })
  }
  const field = (key: keyof typeof form, more: object = {}) => <Field label={t(`video:field.${key}`)}>{ids => <Input {...ids} value={form[key]} onChange={set(key)} {...more} />}</Field>
  return (
    <form className="stack" onSubmit={send}>
      <div className="cam-grid">{field('code', { required: true, maxLength: 40 })}{field('name', { required: true, maxLength: 200 })}{field('address', { maxLength: 300 })}</div>
      <div className="cam-grid">{field('lon', { inputMode: 'decimal' })}{field('lat', { inputMode: 'decimal' })}{field('bearing', { inputMode: 'decimal' })}{field('angle', { inputMode: 'decimal' })}{field('reach', { inputMode: 'decimal' })}</div>
      <div className="cam-grid">
        <Field label={t('video:field.purpose')}>{ids => <Select {...ids} required value={form.purpose} onChange={set('purpose')}><option value="" disabled>{t('video:choose')}</option>{catalogue.data?.purposes.map(p => <option key={p.code} value={p.code}>{named(lng, p.name, p.name_en)}</option>)}</Select>}</Field>
        {field('legal', { required: true, maxLength: 500 })}
        {field('sector', { maxLength: 40 })}
      </div>
      <div className="cam-grid">
        <Field label={t('video:field.url')} hint={t('video:field.url_hint')}>{ids => <Input {...ids} required maxLength={500} value={form.url} onChange={set('url')} />}</Field>
        <Field label={t('video:field.user')} hint={old?.credentials ? t('video:field.has_password') : undefined}>{ids => <Input {...ids} autoComplete="off" maxLength={200} value={form.user} onChange={set('user')} />}</Field>
        <Field label={t('video:field.password')}>{ids => <Input {...ids} type="password" autoComplete="new-password" maxLength={200} value={form.password} onChange={set('password')} />}</Field>
      </div>
      <div className="cam-grid">
        <Field label={t('video:field.record')}>{ids => <Select {...ids} value={record} onChange={e => setRecord(e.target.value as CameraRecord)}>{RECORDS.map(r => <option key={r} value={r}>{t(`video:record.${r}`)}</option>)}</Select>}</Field>
        {record === 'hours' ? <>{field('from', { type: 'time', required: true })}{field('to', { type: 'time', required: true })}</> : null}
        <Field label={t('video:field.retention')} hint={t('video:field.retention_hint', { n: catalogue.data?.policy?.retention_days ?? 0 })}>{ids => <Input {...ids} inputMode="numeric" value={form.retention} onChange={set('retention')} />}</Field>
      </div>
      <Check checked={active} onChange={e => setActive(e.target.checked)}>{t('video:field.active')}</Check>
      {old && can(me.data, 'camera-unmask') ? <Drawing camera={old.id} masks={masks} detectors={detectors} onMasks={setMasks} onDetectors={setDetectors} /> : <Note>{t(old ? 'video:drawing.needs' : 'video:drawing.later')}</Note>}
      {old && old.state === 'moved' ? <Note tone="medium"><p>{t('video:moved')}</p><div className="row"><Button size="small" busy={confirm.isPending} onClick={() => confirm.mutate({ id: old.id, beside: false }, { onSuccess: onClose })}>{t('video:moved_right')}</Button></div></Note> : null}
      <FailedNote error={save.error ?? confirm.error} />
      <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={save.isPending}>{t('ui.save')}</Button></div>
    </form>
  )
}

function Change({ id, start, onClose }: { id: string; start: CameraStart; onClose: () => void }) {
  const camera = useCamera(id)
  return <Loaded of={camera}>{c => <Form key={c.version} old={c} start={start} onClose={onClose} />}</Loaded>
}

/** A camera as a form, with masks and detectors drawn on its picture. */
export function CameraDialog({ start, onClose }: { start: CameraStart; onClose: () => void }) {
  const t = useT()
  return <Dialog open wide onClose={onClose} title={t(start.id ? 'video:change' : 'video:add')}>{start.id ? <Change id={start.id} start={start} onClose={onClose} /> : <Form start={start} onClose={onClose} />}</Dialog>
}
