import { VideoOff } from 'lucide-react'
import { useEffect, useRef, useState, type FormEvent, type ReactNode } from 'react'
import { useCameraCatalogue, watchLive, type CameraMask, type CameraRow, type LiveTold } from '@/api'
import { hasText, named, useLanguage, useT } from '@/i18n'
import { Badge, Button, cx, Dialog, FailedNote, Field, TextArea } from '@/ui'

/** Names of states and purposes in the language of the moment. */
export function useWords(): { state: (code: string) => string; tone: (code: string) => string; purpose: (code: string) => string } {
  const t = useT()
  const lng = useLanguage()
  const catalogue = useCameraCatalogue()
  const of = (list: readonly { code: string; name: string; name_en: string }[] | undefined, code: string) => {
    const found = list?.find(x => x.code === code)
    return found ? named(lng, found.name, found.name_en) : code
  }
  return {
    state: code => (code === 'unknown' ? t('video:state.unknown') : of(catalogue.data?.states, code)),
    tone: code => (code === 'fine' ? 'good' : catalogue.data?.states.find(s => s.code === code)?.severity ?? 'info'),
    purpose: code => of(catalogue.data?.purposes, code),
  }
}

/** A code in words; the code itself when there are none. */
export function useWhy(): (code: string) => string {
  const t = useT()
  return code => (hasText(`errors.${code}`) ? t(`errors.${code}`) : code)
}

export function StateBadge({ camera }: { camera: Pick<CameraRow, 'state'> }) {
  const words = useWords()
  return <Badge tone={words.tone(camera.state)}>{words.state(camera.state)}</Badge>
}

/** Hidden parts, laid over the picture. */
export function Masks({ masks }: { masks: readonly CameraMask[] }) {
  if (masks.length === 0) return null
  return (
    <svg className="cam-masks" viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden>
      {masks.map((mask, n) => <polygon key={n} points={mask.corners.map(([x, y]) => `${x * 100},${y * 100}`).join(' ')} />)}
    </svg>
  )
}

/** The picture keeps its shape: masks lie over it, not over the bars beside it. */
export function Frame({ children, over, aspect }: { children: ReactNode; over?: ReactNode; aspect: number }) {
  return <div className="cam-frame"><div className="cam-picture" style={{ aspectRatio: aspect, '--aspect': aspect } as React.CSSProperties}>{children}{over}</div></div>
}

export function useAspect(): [number, (video: HTMLVideoElement) => void] {
  const [aspect, setAspect] = useState(16 / 9)
  return [aspect, video => video.videoWidth > 0 && setAspect(video.videoWidth / video.videoHeight)]
}

/** A camera's live picture. */
export function Live({ camera, masks, label, reason = '' }: { camera: string; masks: readonly CameraMask[]; label: string; reason?: string }) {
  const t = useT()
  const ref = useRef<HTMLVideoElement>(null)
  const why = useWhy()
  const [told, setTold] = useState<LiveTold>({ state: 'connecting' })
  const [aspect, measure] = useAspect()
  useEffect(() => {
    const video = ref.current
    if (!video) return undefined
    return watchLive(video, camera, reason, now => setTold(before => ({ ...now, ...(before.firstMs && !now.firstMs ? { firstMs: before.firstMs } : {}) })))
  }, [camera, reason])
  return (
    <div className={cx('cam-live', told.state !== 'playing' && 'waiting')} data-state={told.state} data-first-ms={told.firstMs}>
      <Frame aspect={aspect} over={<Masks masks={masks} />}>
        <video ref={ref} muted playsInline aria-label={label} onLoadedMetadata={e => measure(e.currentTarget)} onResize={e => measure(e.currentTarget)} />
      </Frame>
      {told.state === 'playing' ? null : (
        <p className="cam-told" role="status">
          {told.state === 'connecting' ? <span className="spin" aria-hidden /> : <VideoOff size={22} aria-hidden />}
          {t(`video:live.${told.state}`)}
          {told.why && told.state === 'failed' ? <span className="small">{why(told.why)}</span> : null}
        </p>
      )}
    </div>
  )
}

/** Asks why, before something is done that is kept in the log. */
export function WhyDialog({ title, lead, button, error, busy, onSend, onClose, children }: { title: string; lead: string; button: string; error: unknown; busy: boolean; onSend: (reason: string) => void; onClose: () => void; children?: ReactNode }) {
  const t = useT()
  const [reason, setReason] = useState('')
  const send = (event: FormEvent) => {
    event.preventDefault()
    onSend(reason.trim())
  }
  return (
    <Dialog open onClose={onClose} title={title}>
      <form className="stack" onSubmit={send}>
        <p className="quiet">{lead}</p>
        {children}
        <Field label={t('video:why')}>{ids => <TextArea {...ids} rows={3} required minLength={3} maxLength={500} value={reason} onChange={e => setReason(e.target.value)} />}</Field>
        <FailedNote error={error} />
        <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={busy}>{button}</Button></div>
      </form>
    </Dialog>
  )
}

/** What a camera sees, as an area on the map. */
export function fan(camera: Pick<CameraRow, 'location' | 'bearing' | 'angle' | 'reach' | 'code'>): GeoJSON.Feature | undefined {
  const { location, bearing, angle, reach } = camera
  if (!location || bearing == null || !angle || !reach) return undefined
  const steps = Math.max(2, Math.round(angle / 6))
  const perLat = 111_320
  const perLon = perLat * Math.cos((location.lat * Math.PI) / 180)
  const arc = Array.from({ length: steps + 1 }, (_, n) => {
    const way = ((bearing - angle / 2 + (angle * n) / steps) * Math.PI) / 180
    return [location.lon + (Math.sin(way) * reach) / perLon, location.lat + (Math.cos(way) * reach) / perLat]
  })
  const centre = [location.lon, location.lat]
  return { type: 'Feature', properties: { code: camera.code }, geometry: { type: 'Polygon', coordinates: [[centre, ...arc, centre]] } }
}

export function fans(cameras: readonly CameraRow[]): GeoJSON.FeatureCollection {
  return { type: 'FeatureCollection', features: cameras.flatMap(c => fan(c) ?? []) }
}
