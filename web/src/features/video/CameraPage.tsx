import { Bookmark, Camera, Download, History, Lock, Radio } from 'lucide-react'
import { useEffect, useMemo, useRef, useState, type FormEvent } from 'react'
import { can, playReplay, useAskExport, useBookmark, useCamera, useCameraExports, useCameraLog, useCameraRecordings, useHold, useIncidents, useLift, useLive, useMe, useOpenReplay, useSnapshot, type CameraReplay, type CameraView } from '@/api'
import { useT } from '@/i18n'
import { CityMap } from '@/map'
import { Badge, Button, Card, cx, Dialog, errorWords, FailedNote, Field, format, Input, Loaded, Note, PageHeader, useNow, useTitle, Select } from '@/ui'
import { useQueryClient } from '@tanstack/react-query'
import { ExportList, LogList } from './lists'
import { fans, Frame, Live, Masks, StateBadge, useAspect, useWhy, useWords, WhyDialog } from './parts'
import './video.css'

/** Hours that the time line shows. */
const SHOWN = 6
const HOUR = 3_600_000

type Doing = 'snapshot' | 'replay' | 'export' | 'hold' | 'bookmark'

const local = (at: number): string => {
  const date = new Date(at)
  return new Date(at - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19)
}

/** Recorded pieces, bookmarks and holds of some hours; a click chooses a moment. */
function TimeLine({ camera, from, to, at, onAt }: { camera: string; from: number; to: number; at: number; onAt: (at: number) => void }) {
  const t = useT()
  const recordings = useCameraRecordings(camera, new Date(from).toISOString(), new Date(to).toISOString(), true)
  const place = (moment: string | number) => `${Math.max(0, Math.min(100, (((typeof moment === 'number' ? moment : Date.parse(moment)) - from) / (to - from)) * 100))}%`
  const width = (a: string, b: string) => `${Math.max(0.15, ((Math.min(Date.parse(b), to) - Math.max(Date.parse(a), from)) / (to - from)) * 100)}%`
  const r = recordings.data
  return (
    <div className="stack-s">
      <div className="cam-line">
        {r?.holds.filter(h => !h.ended_at && Date.parse(h.from) < to && Date.parse(h.to) > from).map(h => <i key={h.id} className="cam-held" style={{ left: place(h.from), width: width(h.from, h.to) }} />)}
        {r?.spans.map(s => <i key={s.from} className="cam-span" style={{ left: place(s.from), width: width(s.from, s.to) }} />)}
        {r?.bookmarks.map(b => <i key={b.id} className="cam-mark" title={b.words} style={{ left: place(b.at) }} />)}
        <i className="cam-now" style={{ left: place(at) }} />
        <input type="range" min={from} max={to} step={1_000} value={Math.max(from, Math.min(to, at))} aria-label={t('video:replay.moment')} aria-valuetext={format.dateTime(at)} onChange={e => onAt(Number(e.target.value))} />
      </div>
      <div className="cam-line-feet small quiet tnum"><span>{format.dateTime(from)}</span><strong>{format.dateTime(at)}</strong><span>{format.dateTime(to)}</span></div>
      {r ? <p className="small quiet">{r.first ? t('video:replay.kept', { first: format.dateTime(r.first), size: format.number(r.bytes / 1_048_576) }) : t('video:replay.nothing')}</p> : null}
      {r?.bookmarks.length ? <ul className="cam-tags">{r.bookmarks.map(b => <li key={b.id}><Button look="quiet" size="small" icon={<Bookmark size={15} aria-hidden />} onClick={() => onAt(Date.parse(b.at))}>{format.time(b.at)} {b.words}</Button></li>)}</ul> : null}
    </div>
  )
}

function Player({ replay, from, label, onTime }: { replay: CameraReplay; from: string; label: string; onTime: (at: number) => void }) {
  const ref = useRef<HTMLVideoElement>(null)
  const [error, setError] = useState<unknown>()
  const [aspect, measure] = useAspect()
  useEffect(() => (ref.current ? playReplay(ref.current, replay, from, setError) : undefined), [replay, from])
  return (
    <div className="cam-live" data-state="replay">
      <Frame aspect={aspect} over={<Masks masks={replay.unmasked ? [] : replay.masks} />}>
        <video ref={ref} controls muted playsInline aria-label={label} onLoadedMetadata={e => measure(e.currentTarget)} onTimeUpdate={e => onTime(Date.parse(from) + e.currentTarget.currentTime * 1_000)} />
      </Frame>
      <FailedNote error={error} />
    </div>
  )
}

function SpanFields({ from, to, onChange }: { from: number; to: number; onChange: (from: number, to: number) => void }) {
  const t = useT()
  return (
    <div className="cam-grid">
      <Field label={t('video:from')}>{ids => <Input {...ids} type="datetime-local" step={1} required value={local(from)} onChange={e => e.target.value && onChange(new Date(e.target.value).getTime(), to)} />}</Field>
      <Field label={t('video:to')}>{ids => <Input {...ids} type="datetime-local" step={1} required value={local(to)} onChange={e => e.target.value && onChange(from, new Date(e.target.value).getTime())} />}</Field>
    </div>
  )
}

function MarkDialog({ camera, at, onClose }: { camera: string; at: number; onClose: () => void }) {
  const t = useT()
  const mark = useBookmark()
  const [words, setWords] = useState('')
  const send = (event: FormEvent) => {
    event.preventDefault()
    mark.mutate({ id: camera, at: new Date(at).toISOString(), words: words.trim() }, { onSuccess: onClose })
  }
  return (
    <Dialog open onClose={onClose} title={t('video:do.bookmark')}>
      <form className="stack" onSubmit={send}>
        <p className="quiet">{format.dateTime(at)}</p>
        <Field label={t('video:words')}>{ids => <Input {...ids} required maxLength={300} value={words} onChange={e => setWords(e.target.value)} />}</Field>
        <FailedNote error={mark.error} />
        <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={mark.isPending}>{t('ui.save')}</Button></div>
      </form>
    </Dialog>
  )
}

/** One camera: live or replayed, what it recorded, its health, and who watched it. */
function Body({ c }: { c: CameraView }) {
  const t = useT()
  const words = useWords()
  const why = useWhy()
  const me = useMe()
  const now = useNow(60_000)
  const client = useQueryClient()
  const open = useOpenReplay()
  const ask = useAskExport()
  const hold = useHold()
  const lift = useLift()
  const snap = useSnapshot()
  const [doing, setDoing] = useState<Doing>()
  const [end] = useState(now)
  const from = end - SHOWN * HOUR
  const [at, setAt] = useState(end - 60_000)
  const [span, setSpan] = useState<[number, number]>([end - 120_000, end - 60_000])
  const [replay, setReplay] = useState<{ replay: CameraReplay; from: string }>()
  const [picture, setPicture] = useState<string>()
  const seesPast = can(me.data, 'camera-replay')
  const recordings = useCameraRecordings(c.id, new Date(from).toISOString(), new Date(end).toISOString(), seesPast)
  const exports = useCameraExports(c.id)
  const log = useCameraLog({ camera: c.id }, seesPast || can(me.data, 'camera-audit'))
  useLive(['camera-health-changed', 'camera-changed', 'camera-counted'], event => {
    if ((event as { camera?: string }).camera === c.id) for (const key of ['camera', 'camera-exports', 'camera-recordings']) void client.invalidateQueries({ queryKey: [key] })
  })
  const [incident, setIncident] = useState('')
  const incidents = useIncidents({ view: 'open' }, doing === 'export' && can(me.data, 'incident-read'))
  const close = () => setDoing(undefined)
  const choose = (moment: number) => {
    setAt(moment)
    setSpan([moment, Math.min(Date.now(), moment + 10 * 60_000)])
  }
  const input = (reason: string) => ({ id: c.id, from: new Date(span[0]).toISOString(), to: new Date(span[1]).toISOString(), reason })
  const fields = <SpanFields from={span[0]} to={span[1]} onChange={(a, b) => setSpan([a, b])} />
  const areas = useMemo(() => fans([c]), [c])
  return (
    <div className="cam-page">
      <div className="stack">
        {replay ? (
          <>
            <Player key={replay.replay.id} replay={replay.replay} from={replay.from} label={t('video:replay.label', { name: c.name })} onTime={setAt} />
            <div className="row"><Button look="secondary" icon={<Radio size={18} aria-hidden />} onClick={() => setReplay(undefined)}>{t('video:replay.back')}</Button></div>
          </>
        ) : (
          <Live camera={c.id} masks={c.unmasked ? [] : c.masks} label={t('video:live.label', { name: c.name })} />
        )}
        {c.masks.length > 0 && !c.unmasked ? <Note>{t('video:mask_note')}</Note> : null}
        <div className="row cam-acts">
          <Button look="secondary" icon={<Camera size={18} aria-hidden />} onClick={() => setDoing('snapshot')}>{t('video:do.snapshot')}</Button>
          <Button look="secondary" icon={<Bookmark size={18} aria-hidden />} onClick={() => setDoing('bookmark')}>{t('video:do.bookmark')}</Button>
          {seesPast ? <Button icon={<History size={18} aria-hidden />} onClick={() => setDoing('replay')}>{t('video:do.replay')}</Button> : null}
          {can(me.data, 'camera-export') ? <Button look="secondary" icon={<Download size={18} aria-hidden />} onClick={() => setDoing('export')}>{t('video:do.export')}</Button> : null}
          {can(me.data, 'camera-approve') ? <Button look="secondary" icon={<Lock size={18} aria-hidden />} onClick={() => setDoing('hold')}>{t('video:do.hold')}</Button> : null}
        </div>
        {seesPast ? <Card aria-label={t('video:replay.title')}><h2>{t('video:replay.title')}</h2><TimeLine camera={c.id} from={from} to={end} at={at} onAt={choose} /></Card> : null}
        {picture ? <Card aria-label={t('video:do.snapshot')}><h2>{t('video:do.snapshot')}</h2><img className="cam-shot" src={picture} alt={t('video:snapshot_of', { name: c.name })} /><p className="row"><a className="btn btn-secondary" href={picture} download={`${c.code}.jpg`}>{t('video:download')}</a></p></Card> : null}
        {can(me.data, 'camera-export') || can(me.data, 'camera-approve') ? <Card aria-label={t('video:exports.title')}><h2>{t('video:exports.title')}</h2><ExportList exports={exports} /></Card> : null}
      </div>
      <aside className="stack" aria-label={t('video:facts')}>
        <Card aria-label={t('video:facts')}>
          <dl className="cam-pairs">
            <div><dt>{t('video:field.state')}</dt><dd><StateBadge camera={c} /> {c.state_since ? <span className="small quiet">{format.ago(c.state_since, now)}</span> : null}</dd></div>
            <div><dt>{t('video:field.address')}</dt><dd>{[c.address, c.commune?.name].filter(Boolean).join(' · ') || '–'}</dd></div>
            <div><dt>{t('video:field.unit')}</dt><dd>{c.unit?.name ?? '–'}</dd></div>
            <div><dt>{t('video:field.purpose')}</dt><dd>{words.purpose(c.purpose)}</dd></div>
            <div><dt>{t('video:field.legal')}</dt><dd>{c.legal || '–'}</dd></div>
            <div><dt>{t('video:field.record')}</dt><dd>{t(`video:record.${c.record}`)}{c.recording ? <> <Badge tone="critical">{t('video:recording')}</Badge></> : null}</dd></div>
            <div><dt>{t('video:field.retention')}</dt><dd>{t('video:days', { n: c.retention_days })}</dd></div>
          </dl>
          {c.link.state === 'failed' && c.link.why ? <p className="small">{why(c.link.why)}</p> : null}
        </Card>
        {c.location ? <div className="cam-place"><CityMap bare label={t('video:wall.map')} points={[{ id: c.id, ...c.location, mark: c.state === 'fine' ? 'ok' : 'medium' }]} fans={areas} view={{ ...c.location, zoom: 16 }} cluster={false} /></div> : null}
        {c.health.length ? <Card aria-label={t('video:health')}><h2>{t('video:health')}</h2><ul className="cam-plain">{c.health.map(h => <li key={`${h.at}${h.state}`}><time className="small quiet tnum">{format.dateTime(h.at)}</time> {words.state(h.before)} → {words.state(h.state)}</li>)}</ul></Card> : null}
        {c.counts.length ? <Card aria-label={t('video:counts')}><h2>{t('video:counts')}</h2><ul className="cam-plain">{c.counts.slice(0, 8).map(n => <li key={`${n.at}${n.detector}`}><time className="small quiet tnum">{format.dateTime(n.at)}</time> {n.attribute}: <strong className="tnum">{n.n}</strong></li>)}</ul><p className="small quiet">{t('video:counts_note')}</p></Card> : null}
        {recordings.data?.holds.some(h => !h.ended_at) ? (
          <Card aria-label={t('video:holds')}><h2>{t('video:holds')}</h2><ul className="cam-plain">{recordings.data.holds.filter(h => !h.ended_at).map(h => <li key={h.id}>{format.dateTime(h.from)} – {format.time(h.to)}: {h.reason} ({h.who}) {can(me.data, 'camera-approve') ? <Button look="quiet" size="small" busy={lift.isPending} onClick={() => lift.mutate({ id: c.id, hold: h.id, reason: t('video:lifted') })}>{t('video:do.lift')}</Button> : null}</li>)}</ul><FailedNote error={lift.error} /></Card>
        ) : null}
        {seesPast || can(me.data, 'camera-audit') ? <Card aria-label={t('video:log.title')}><h2>{t('video:log.title')}</h2><LogList log={log} short /></Card> : null}
      </aside>
      {doing === 'snapshot' ? <WhyDialog title={t('video:do.snapshot')} lead={t('video:logged')} button={t('video:do.snapshot')} error={snap.error} busy={snap.isPending} onClose={close} onSend={reason => snap.mutate({ id: c.id, reason }, { onSuccess: url => { setPicture(url); close() } })} /> : null}
      {doing === 'replay' ? <WhyDialog title={t('video:do.replay')} lead={t('video:logged')} button={t('video:do.replay')} error={open.error} busy={open.isPending} onClose={close} onSend={reason => { const asked = input(reason); open.mutate(asked, { onSuccess: opened => { setReplay({ replay: opened, from: asked.from }); close() } }) }}>{fields}</WhyDialog> : null}
      {doing === 'export' ? <WhyDialog title={t('video:do.export')} lead={t('video:exports.lead')} button={t('video:do.export')} error={ask.error} busy={ask.isPending} onClose={close} onSend={reason => ask.mutate({ ...input(reason), ...(incident ? { incident } : {}) }, { onSuccess: close })}>{fields}{incidents.data ? <Field label={t('video:exports.incident')} hint={t('video:exports.incident_hint')}>{ids => <Select {...ids} value={incident} onChange={e => setIncident(e.target.value)}><option value="">{t('video:exports.no_incident')}</option>{incidents.data.pages.flatMap(page => page.items).map(i => <option key={i.id} value={i.id}>{`${i.code} · ${i.title}`}</option>)}</Select>}</Field> : null}</WhyDialog> : null}
      {doing === 'hold' ? <WhyDialog title={t('video:do.hold')} lead={t('video:hold_lead')} button={t('video:do.hold')} error={hold.error} busy={hold.isPending} onClose={close} onSend={reason => hold.mutate(input(reason), { onSuccess: close })}>{fields}</WhyDialog> : null}
      {doing === 'bookmark' ? <MarkDialog camera={c.id} at={replay ? at : Date.now()} onClose={close} /> : null}
    </div>
  )
}

export default function CameraPage({ params }: { params: Record<string, string> }) {
  const t = useT()
  const camera = useCamera(params['id'])
  useTitle(camera.data?.name ?? t('video:title'))
  return (
    <div className={cx('stack', 'cam-one')}>
      <PageHeader title={camera.data?.name ?? t('video:title')} lead={camera.data ? camera.data.code : camera.error ? errorWords(camera.error) : ''} actions={<a className="btn btn-secondary" href={`/ioc/cameras${camera.data ? `?c=${camera.data.id}&n=1` : ''}`}>{t('video:to_wall')}</a>} />
      <Loaded of={camera}>{c => <Body key={c.id} c={c} />}</Loaded>
    </div>
  )
}
