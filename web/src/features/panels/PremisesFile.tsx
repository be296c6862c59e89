import { Eye, FileText, KeyRound, Phone, TriangleAlert } from 'lucide-react'
import { planAddress, usePanelPremisesOne, useReadPrivate } from '@/api'
import { useT } from '@/i18n'
import { Badge, Button, FailedNote, format, Loaded, Note, useNow } from '@/ui'
import { PathBadge } from './parts'

function Text({ label, value }: { label: string; value: string }) {
  if (!value) return null
  return <div><dt>{label}</dt><dd className="panel-text">{value}</dd></div>
}

/** What stands there, what is dangerous, whom to call. Names and numbers are shown only when asked for. */
export function PremisesFile({ id, onPlace }: { id: string; onPlace?: (at: { lon: number; lat: number }) => void }) {
  const t = useT()
  const now = useNow()
  const premises = usePanelPremisesOne(id)
  const secret = useReadPrivate()
  return (
    <Loaded of={premises} rows={4}>
      {p => (
        <section className="stack panel-file" aria-label={t('panels:file.title')}>
          <header className="stack-s">
            <h3>{p.name}</h3>
            <p className="quiet small">{[p.code, p.kind, p.address, p.commune?.name].filter(Boolean).join(' · ')}</p>
            <div className="row">
              {p.location && onPlace ? <Button look="secondary" size="small" onClick={() => p.location && onPlace(p.location)}>{t('panels:file.on_map')}</Button> : null}
              {p.score.alarms ? <Badge tone={p.score.chronic ? 'high' : 'info'}>{t('panels:score.short', { points: format.number(p.score.points), days: p.score.days })}</Badge> : null}
            </div>
          </header>
          {p.hazards ? <Note tone="high" icon={<TriangleAlert size={20} aria-hidden />}><strong>{t('panels:file.hazards')}</strong><p className="panel-text">{p.hazards}</p></Note> : null}
          <dl className="panel-pairs">
            <Text label={t('panels:file.approach')} value={p.approach} />
            <Text label={t('panels:file.water')} value={p.water} />
            <Text label={t('panels:file.unit')} value={p.unit?.name ?? ''} />
          </dl>
          <div className="stack-s">
            <h4>{t('panels:file.contacts')}</h4>
            {secret.data ? (
              <>
                <ul className="panel-list">
                  {secret.data.contacts.map(c => (
                    <li key={`${c.name} ${c.phone}`}><Phone size={16} aria-hidden /><span className="grow">{c.name}{c.role ? ` · ${c.role}` : ''}</span>{c.key ? <KeyRound size={16} aria-label={t('panels:file.holds_key')} /> : null}{c.phone ? <a className="tnum" href={`tel:${c.phone.replace(/\s/g, '')}`}>{c.phone}</a> : null}</li>
                  ))}
                </ul>
                {secret.data.contacts.length === 0 ? <p className="quiet">{t('panels:file.no_contacts')}</p> : null}
                {secret.data.keys ? <p className="panel-text"><KeyRound size={16} aria-hidden /> {secret.data.keys}</p> : null}
              </>
            ) : (
              <>
                <Button look="secondary" icon={<Eye size={18} aria-hidden />} busy={secret.isPending} onClick={() => secret.mutate(id)}>{t('panels:file.show_contacts')}</Button>
                <p className="small quiet">{t('panels:file.on_record')}</p>
                <FailedNote error={secret.error} />
              </>
            )}
          </div>
          {p.plans.length ? (
            <div className="stack-s">
              <h4>{t('panels:file.plans')}</h4>
              <ul className="panel-list">{p.plans.map(plan => <li key={plan.sha256}><FileText size={16} aria-hidden /><a className="grow" href={planAddress(p.id, plan.sha256)} target="_blank" rel="noreferrer">{plan.name}</a><span className="small quiet">{format.date(plan.at)}</span></li>)}</ul>
            </div>
          ) : null}
          {p.zones.length ? (
            <details className="panel-zones">
              <summary>{t('panels:file.zones', { n: p.zones.length })}</summary>
              <ul className="panel-list">{p.zones.map(z => <li key={z.zone}><span className="code">{z.zone}</span><span className="grow">{z.name}</span><span className="small quiet">{z.place}</span></li>)}</ul>
            </details>
          ) : null}
          {p.accounts.length ? (
            <div className="stack-s">
              <h4>{t('panels:file.panels')}</h4>
              <ul className="panel-list">
                {p.accounts.map(a => (
                  <li key={a.id}>
                    <span className="grow"><span className="code break">{a.account}</span> {a.name}</span>
                    {a.maintenance_until ? <Badge tone="medium">{t('panels:maintenance.until', { at: format.dateTime(a.maintenance_until) })}</Badge> : null}
                    {a.paths.map(path => <PathBadge key={path.path} path={path} now={now} />)}
                  </li>
                ))}
              </ul>
            </div>
          ) : null}
        </section>
      )}
    </Loaded>
  )
}
