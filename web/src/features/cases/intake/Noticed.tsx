import { Ban, EyeOff, ShieldAlert } from 'lucide-react'
import { useState } from 'react'
import { can, useBar, useMe, type BarredDraft, type Case } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, Card, Dialog, FailedNote, Field, Input, TextArea, toast } from '@/ui'
import './intake.css'

/** What was noticed in the words, and how they would be shown. */
export function Noticed({ item }: { item: Case }) {
  const t = useT()
  const lng = useLanguage()
  if (item.screening.flags.length === 0) return null
  return (
    <div className="stack-s">
      <div className="noticed">
        {item.screening.flags.map(flag => (
          <Badge key={flag.code} tone="high" icon={<ShieldAlert size={14} aria-hidden />}>{named(lng, flag.name, flag.name_en)}: {flag.words.join(', ')}</Badge>
        ))}
      </div>
      {item.published || item.screening.proposal === item.text ? null : (
        <p className="small quiet"><EyeOff size={14} aria-hidden style={{ display: 'inline', verticalAlign: '-2px' }} /> {t('work:case.proposal')}: “{item.screening.proposal}”</p>
      )}
    </div>
  )
}

/** Why, and for how long. */
export function BarDialog({ of, onClose }: { of?: string; onClose: () => void }) {
  const t = useT()
  const bar = useBar()
  const [draft, setDraft] = useState<BarredDraft>({ reason: '', days: 30, ...(of ? { case: of } : { kind: 'phone', value: '' }) })
  const set = (part: Partial<BarredDraft>) => setDraft(before => ({ ...before, ...part }))
  return (
    <Dialog open onClose={onClose} title={t('work:bar.title')}>
      <form className="stack" onSubmit={event => (event.preventDefault(), bar.mutate(draft, { onSuccess: added => (toast(t('work:bar.done', { n: added.length })), onClose()) }))}>
        <p className="small quiet">{of ? t('work:bar.of_case') : t('work:bar.lead')}</p>
        {of ? null : (
          <Field label={t('work:bar.value')}>{ids => <Input {...ids} required maxLength={254} value={draft.value ?? ''} onChange={e => set({ value: e.target.value, kind: e.target.value.includes('@') ? 'email' : 'phone' })} />}</Field>
        )}
        <Field label={t('work:bar.reason')}>{ids => <TextArea {...ids} required rows={3} maxLength={1000} value={draft.reason} onChange={e => set({ reason: e.target.value })} />}</Field>
        <Field label={t('work:bar.days')}>{ids => <Input {...ids} required type="number" min={1} max={730} value={draft.days} onChange={e => set({ days: Number(e.target.value) })} />}</Field>
        <FailedNote error={bar.error} />
        <div className="dialog-foot">
          <Button look="secondary" onClick={onClose}>{t('ui.cancel')}</Button>
          <Button type="submit" look="danger" busy={bar.isPending}>{t('work:bar.do')}</Button>
        </div>
      </form>
    </Dialog>
  )
}

/** Reports of the sender wait for the centre from now on. */
export function BarSender({ item }: { item: Case }) {
  const t = useT()
  const me = useMe()
  const [open, setOpen] = useState(false)
  if (!can(me.data, 'case-triage') || item.parent) return null
  return (
    <Card tight>
      <Button look="quiet" size="small" icon={<Ban size={16} aria-hidden />} onClick={() => setOpen(true)}>{t('work:bar.title')}</Button>
      {open ? <BarDialog of={item.code} onClose={() => setOpen(false)} /> : null}
    </Card>
  )
}
