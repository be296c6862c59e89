import { Plus, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { useSplit, type Case, type PartDraft } from '@/api'
import { useT } from '@/i18n'
import { Button, Card, Dialog, FailedNote, Field, TextArea, toast } from '@/ui'
import { UnitField } from './MoveDialog'

/** Splits a case: each part goes to a unit with a clock of its own. */
export function SplitDialog({ item, onClose }: { item: Case; onClose: () => void }) {
  const t = useT()
  const split = useSplit(item.id)
  const [parts, setParts] = useState<PartDraft[]>([{ unit: '', text: '' }])
  const set = (at: number, part: Partial<PartDraft>) => setParts(before => before.map((one, i) => (i === at ? { ...one, ...part } : one)))
  const ready = parts.every(part => part.unit && part.text.trim())
  return (
    <Dialog open onClose={onClose} title={t('work:split.title')}>
      <form className="stack" onSubmit={event => (event.preventDefault(), split.mutate({ version: item.version, parts }, { onSuccess: () => (toast(t('work:split.done', { n: parts.length })), onClose()) }))}>
        <p className="small quiet">{t('work:split.lead')}</p>
        {parts.map((part, i) => (
          <Card key={i} tight>
            <div className="stack">
              <div className="spread">
                <h3>{t('work:split.part', { n: i + 1 })}</h3>
                {parts.length > 1 ? <Button look="quiet" iconOnly icon={<Trash2 size={18} aria-hidden />} onClick={() => setParts(before => before.filter((_, at) => at !== i))}>{t('work:split.remove', { n: i + 1 })}</Button> : null}
              </div>
              <UnitField value={part.unit} onChange={unit => set(i, { unit })} />
              <Field label={t('work:split.what')}>{ids => <TextArea {...ids} required rows={3} maxLength={2000} value={part.text} onChange={e => set(i, { text: e.target.value })} />}</Field>
            </div>
          </Card>
        ))}
        {parts.length < 10 ? <Button look="quiet" icon={<Plus size={18} aria-hidden />} onClick={() => setParts(before => [...before, { unit: '', text: '' }])}>{t('work:split.add')}</Button> : null}
        <FailedNote error={split.error} />
        <div className="dialog-foot">
          <Button look="secondary" onClick={onClose}>{t('ui.cancel')}</Button>
          <Button type="submit" busy={split.isPending} disabled={!ready}>{t('work:split.do')}</Button>
        </div>
      </form>
    </Dialog>
  )
}
