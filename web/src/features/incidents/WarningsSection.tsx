import { Megaphone } from 'lucide-react'
import { useState, type FormEvent } from 'react'
import { can, useCommunes, useMe, useWarningAct, useWarnings, type IncidentView, type PublicWarning } from '@/api'
import { useT } from '@/i18n'
import { Badge, Button, Dialog, FailedNote, Field, format, Input, Note, Select, TextArea, toastError } from '@/ui'

const SEVERITIES = ['Extreme', 'Severe', 'Moderate', 'Minor'] as const
const TONE = { draft: 'waiting', issued: 'critical', replaced: 'info', cancelled: 'info', refused: 'info' } as const

function Draft({ view, before, onClose }: { view: IncidentView; before: PublicWarning | undefined; onClose: () => void }) {
  const t = useT()
  const me = useMe()
  const communes = useCommunes(me.data?.home.code)
  const act = useWarningAct()
  const empty = { headline: '', description: '', instruction: '' }
  const [vi, setVi] = useState(before?.vi ?? empty)
  const [en, setEn] = useState(before?.en ?? empty)
  const [severity, setSeverity] = useState(before?.severity ?? 'Severe')
  const [areas, setAreas] = useState<readonly string[]>(before ? before.areas.map(a => a.id) : view.place.area ? [view.place.area] : [])
  const [cancel, setCancel] = useState(false)
  const names = (communes.data?.features ?? []).map(f => ({ code: String(f.properties?.['code'] ?? ''), name: String(f.properties?.['name'] ?? '') })).filter(c => c.code && c.name).sort((a, b) => a.name.localeCompare(b.name, 'vi'))
  const submit = (event: FormEvent) => {
    event.preventDefault()
    act.mutate({ path: '', json: { incident: view.id, vi, en, severity, areas, ...(before ? { replaces: before.identifier, cancel } : {}) } }, { onSuccess: onClose })
  }
  return (
    <Dialog open onClose={onClose} wide title={t(before ? 'incidents:warn.update' : 'incidents:warn.new')}>
      <form className="stack" onSubmit={submit}>
        <Note>{t('incidents:warn.two')}</Note>
        {before ? <label className="check"><input type="checkbox" checked={cancel} onChange={e => setCancel(e.target.checked)} /><span>{t('incidents:warn.cancel')}</span></label> : null}
        <Field label={t('incidents:warn.headline')}>{ids => <Input {...ids} required maxLength={160} value={vi.headline} onChange={e => setVi({ ...vi, headline: e.target.value })} />}</Field>
        <Field label={t('incidents:warn.description')}>{ids => <TextArea {...ids} rows={2} maxLength={4000} value={vi.description} onChange={e => setVi({ ...vi, description: e.target.value })} />}</Field>
        <Field label={t('incidents:warn.instruction')}>{ids => <TextArea {...ids} rows={2} maxLength={4000} value={vi.instruction} onChange={e => setVi({ ...vi, instruction: e.target.value })} />}</Field>
        <details className="more"><summary>{t('incidents:warn.english')}</summary>
          <div className="stack">
            <Field label={t('incidents:warn.headline')}>{ids => <Input {...ids} maxLength={160} value={en.headline} onChange={e => setEn({ ...en, headline: e.target.value })} />}</Field>
            <Field label={t('incidents:warn.instruction')}>{ids => <TextArea {...ids} rows={2} maxLength={4000} value={en.instruction} onChange={e => setEn({ ...en, instruction: e.target.value })} />}</Field>
          </div>
        </details>
        <Field label={t('incidents:severity')}>{ids => <Select {...ids} value={severity} onChange={e => setSeverity(e.target.value)}>{SEVERITIES.map(s => <option key={s} value={s}>{t(`incidents:warn.level.${s}`)}</option>)}</Select>}</Field>
        <Field label={t('incidents:warn.areas')} hint={t('incidents:warn.areas_hint')}>{ids => <select {...ids} className="input area-pick" multiple size={6} value={[...areas]} onChange={e => setAreas([...e.target.selectedOptions].map(o => o.value))}>{names.map(c => <option key={c.code} value={c.code}>{c.name}</option>)}</select>}</Field>
        <FailedNote error={act.error} />
        <div className="dialog-foot"><Button look="secondary" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={act.isPending}>{t('incidents:warn.to_approve')}</Button></div>
      </form>
    </Dialog>
  )
}

/** Public warnings of an incident: drafted by one, sent by another. */
export function WarningsSection({ view }: { view: IncidentView }) {
  const t = useT()
  const me = useMe()
  const warnings = useWarnings(view.id)
  const act = useWarningAct()
  const [draft, setDraft] = useState<PublicWarning | 'new'>()
  const approves = can(me.data, 'incident-approve')
  const settle = (w: PublicWarning, approve: boolean) => act.mutate({ path: `/${w.id}/settle`, json: { version: w.version, approve } }, { onError: toastError })
  return (
    <section className="stack-s" aria-labelledby="warnings">
      <div className="spread"><h3 id="warnings">{t('incidents:warn.title')}</h3>{view.may_handle && !view.ended ? <Button look="secondary" size="small" icon={<Megaphone size={16} aria-hidden />} onClick={() => setDraft('new')}>{t('incidents:warn.new')}</Button> : null}</div>
      <ul className="plain-list stack-s">
        {(warnings.data?.items ?? []).map(w => (
          <li key={w.id} className="op-line">
            <span className="grow"><b>{w.vi.headline}</b><br /><span className="small quiet">{w.areas.map(a => a.name).join(', ')} · {w.made_by.name}{w.approved_by ? ` → ${w.approved_by.name}` : ''}{w.expires_at ? ` · ${t('incidents:warn.until', { at: format.dateTime(w.expires_at) })}` : ''}</span></span>
            <Badge tone={TONE[w.state]}>{t(`incidents:warn.state.${w.state}`)}</Badge>
            {w.drill ? <Badge tone="drill">{t('incidents:warn.exercise')}</Badge> : null}
            {w.sent_at ? <a href={`/cap/v1/alerts/${w.identifier}.xml`}>{t('incidents:warn.cap')}</a> : null}
            {w.state === 'draft' && approves ? <><Button size="small" onClick={() => settle(w, true)}>{t('incidents:warn.approve')}</Button><Button size="small" look="quiet" onClick={() => settle(w, false)}>{t('incidents:warn.refuse')}</Button></> : null}
            {w.state === 'issued' && w.msg_type !== 'Cancel' && view.may_handle ? <Button size="small" look="quiet" onClick={() => setDraft(w)}>{t('incidents:warn.update')}</Button> : null}
          </li>
        ))}
      </ul>
      {draft ? <Draft view={view} before={draft === 'new' ? undefined : draft} onClose={() => setDraft(undefined)} /> : null}
    </section>
  )
}
