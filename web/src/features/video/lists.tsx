import { useState } from 'react'
import { exportFile, useSettleExport, type CameraExport, type useCameraExports, type useCameraLog } from '@/api'
import { useT } from '@/i18n'
import { Badge, Button, FailedNote, format, Loaded } from '@/ui'
import { useWhy, WhyDialog } from './parts'

const TONES = { asked: 'medium', waiting: 'info', ready: 'good', refused: 'high', failed: 'high', gone: 'info' } as const

/** Exports with what may be done about them. */
export function ExportList({ exports }: { exports: ReturnType<typeof useCameraExports> }) {
  const t = useT()
  const settle = useSettleExport()
  const why = useWhy()
  const [refusing, setRefusing] = useState<CameraExport>()
  return (
    <Loaded of={exports}>
      {data => {
        const rows = data.pages.flatMap(page => page.items)
        return (
          <>
            {rows.length === 0 ? <p className="quiet">{t('video:exports.none')}</p> : null}
            <ul className="cam-plain cam-exports">
              {rows.map(e => (
                <li key={e.id}>
                  <span className="row"><Badge tone={TONES[e.state]}>{t(`video:exports.${e.state}`)}</Badge><strong>{e.camera.name}</strong></span>
                  <span className="small">{format.dateTime(e.from)} – {format.time(e.to)} · {e.who}: {e.reason}</span>
                  {e.settled_by ? <span className="small quiet">{t(e.state === 'refused' ? 'video:exports.refused_by' : 'video:exports.allowed_by', { who: e.settled_by })} {e.settled_why}</span> : null}
                  {e.incident ? <a className="small" href={`/ioc/incidents?id=${e.incident}`}>{t('video:exports.of_incident')}</a> : null}
                  {e.fault ? <span className="small">{why(e.fault)}</span> : null}
                  {e.sha256 && e.state === 'ready' ? <span className="small quiet break">SHA-256 {e.sha256} · {t('video:exports.until', { at: format.date(e.until) })}</span> : null}
                  <span className="row">
                    {e.state === 'ready' ? <a className="btn btn-secondary btn-small" href={exportFile(e.id)}>{t('video:download')} ({format.number((e.size ?? 0) / 1_048_576)} MB)</a> : null}
                    {e.mine_to_settle ? <><Button size="small" busy={settle.isPending} onClick={() => settle.mutate({ id: e.id, version: e.version, approve: true, reason: '' })}>{t('video:exports.allow')}</Button><Button size="small" look="secondary" onClick={() => setRefusing(e)}>{t('video:exports.refuse')}</Button></> : null}
                  </span>
                </li>
              ))}
            </ul>
            <FailedNote error={refusing ? undefined : settle.error} />
            {exports.hasNextPage ? <Button look="secondary" size="small" onClick={() => void exports.fetchNextPage()}>{t('ui.more')}</Button> : null}
            {refusing ? <WhyDialog title={t('video:exports.refuse')} lead={refusing.reason} button={t('video:exports.refuse')} error={settle.error} busy={settle.isPending} onClose={() => setRefusing(undefined)} onSend={reason => settle.mutate({ id: refusing.id, version: refusing.version, approve: false, reason }, { onSuccess: () => setRefusing(undefined) })} /> : null}
          </>
        )
      }}
    </Loaded>
  )
}

/** Who saw what. */
export function LogList({ log, short = false }: { log: ReturnType<typeof useCameraLog>; short?: boolean }) {
  const t = useT()
  return (
    <Loaded of={log}>
      {data => {
        const rows = data.pages.flatMap(page => page.items).slice(0, short ? 12 : undefined)
        return (
          <>
            {rows.length === 0 ? <p className="quiet">{t('video:log.none')}</p> : null}
            <ul className="cam-plain cam-log">
              {rows.map(r => (
                <li key={r.id}>
                  <span className="row"><Badge tone={r.kind === 'export' ? 'high' : r.kind === 'replay' ? 'medium' : 'info'}>{t(`video:log.${r.kind}`)}</Badge><strong>{r.who}</strong>{short ? null : <span>{r.camera.name}</span>}{r.unmasked ? null : <span className="small quiet">{t('video:log.masked')}</span>}</span>
                  <span className="small quiet">{format.dateTime(r.begun_at)}{r.ended_at ? ` – ${format.time(r.ended_at)}` : ` – ${t('video:log.now')}`}{r.from ? ` · ${t('video:log.of', { from: format.dateTime(r.from), to: format.time(r.to) })}` : ''}</span>
                  {r.reason ? <span className="small">{r.reason}</span> : null}
                </li>
              ))}
            </ul>
            {!short && log.hasNextPage ? <Button look="secondary" size="small" onClick={() => void log.fetchNextPage()}>{t('ui.more')}</Button> : null}
          </>
        )
      }}
    </Loaded>
  )
}
