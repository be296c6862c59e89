import { ShieldCheck } from 'lucide-react'
import { can, useHealth, useMe } from '@/api'
import { useT } from '@/i18n'
import { Badge, Card, Empty, format, Loaded, Note, PageHeader, useTitle } from '@/ui'
import './system.css'

/** First page of administration: how the machine feels. Who may not see that still finds the other pages above. */
export default function HealthPage() {
  const t = useT()
  const me = useMe()
  useTitle(t('admin:health.title'))
  return (
    <>
      <PageHeader title={t('admin:health.title')} lead={t('admin:health.lead')} />
      {can(me.data, 'system-read') ? <Figures /> : <Empty icon={<ShieldCheck size={30} aria-hidden />} title={t('admin:health.not_yours')}>{t('admin:health.not_yours_body')}</Empty>}
    </>
  )
}

function Figures() {
  const t = useT()
  const health = useHealth()
  return (
    <Loaded of={health} height="7rem">
      {h => {
        const late = h.reactions_behind > 1_000
        const rows: [string, string, 'good' | 'high' | 'critical' | undefined][] = [
          ['events', format.number(h.events), undefined],
          ['reactions_behind', format.number(h.reactions_behind), late ? 'high' : 'good'],
          ['jobs_due', format.number(h.jobs_due), h.jobs_due > 100 ? 'high' : 'good'],
          ['jobs_waiting', format.number(h.jobs_waiting), undefined],
          ['jobs_dead', format.number(h.jobs_dead), h.jobs_dead > 0 ? 'critical' : 'good'],
          ['pending_observations', format.number(h.pending_observations), undefined],
          ['screens', format.number(h.screens), undefined],
          ['memory', h.memory_bytes ? `${format.number(h.memory_bytes / 1_048_576, 0)} MiB` : '–', undefined],
        ]
        const ok = !late && h.jobs_dead === 0
        return (
          <div className="stack">
            <Note tone={ok ? 'good' : 'high'}><strong>{t(ok ? 'admin:health.good' : 'admin:health.look')}</strong> {t('admin:health.version', { version: h.version, engine: t(`admin:health.engine.${h.engine}`) })}</Note>
            <div className="health">
              {rows.map(([key, value, tone]) => (
                <Card key={key} tight>
                  <div className="health-card">
                    <span className="quiet small">{t(`admin:health.${key}`)}</span>
                    <b className="tnum">{value}</b>
                    {tone ? <Badge tone={tone}>{t(tone === 'good' ? 'admin:health.fine' : 'admin:health.attention')}</Badge> : null}
                    <p className="small quiet">{t(`admin:health.${key}_means`)}</p>
                  </div>
                </Card>
              ))}
            </div>
            <p className="small quiet"><a href="/api/docs" target="_blank" rel="noreferrer">{t('admin:health.api')}</a> · <a href="/metrics" target="_blank" rel="noreferrer">{t('admin:health.metrics')}</a></p>
          </div>
        )
      }}
    </Loaded>
  )
}
