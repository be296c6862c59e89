import { CircleCheck, TriangleAlert } from 'lucide-react'
import { useState } from 'react'
import { ApiError, useBulkMove, useCase, type CaseRow, type MoveForm } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Button, Dialog, errorWords, Failed, FailedNote, Field, Loading, Select } from '@/ui'
import { MoveFields, missing } from './MoveDialog'

/** One move on several cases. The moves offered are those of the first; each case is decided on its own. */
export function BulkDialog({ rows, onClose, onDone }: { rows: readonly CaseRow[]; onClose: () => void; onDone: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const first = useCase(rows[0]?.id ?? '')
  const act = useBulkMove()
  const [code, setCode] = useState('')
  const [form, setForm] = useState<MoveForm>({ photos: [] })
  // A photo proves the work of one case, not of many.
  const moves = (first.data?.moves ?? []).filter(move => !move.requires.includes('photo_after'))
  const move = moves.find(one => one.code === code)
  const codes = new Map(rows.map(row => [row.id, row.code]))
  if (act.data) {
    const kept = act.data.filter(result => result.error)
    return (
      <Dialog open onClose={onDone} title={t('work:bulk.results', { done: act.data.length - kept.length, all: act.data.length })}>
        <ul className="stack-s plain-list">
          {act.data.map(result => (
            <li key={result.id} className="row">
              {result.error ? <TriangleAlert size={18} className="tone-text-high" aria-hidden /> : <CircleCheck size={18} className="tone-text-good" aria-hidden />}
              <a href={`/work/${result.id}`} className="tnum">{codes.get(result.id)}</a>
              <span className="grow small">{result.error ? errorWords(new ApiError(result.error.code, 409, result.error.detail)) : t('work:bulk.made')}</span>
            </li>
          ))}
        </ul>
        <div className="dialog-foot"><Button onClick={onDone}>{t('ui.close')}</Button></div>
      </Dialog>
    )
  }
  return (
    <Dialog open onClose={onClose} title={t('work:bulk.title', { n: rows.length })}>
      {first.isPending ? <Loading /> : first.error ? <Failed error={first.error} onRetry={() => void first.refetch()} /> : moves.length === 0 ? <p className="quiet">{t('work:bulk.none')}</p> : (
        <form className="stack" onSubmit={event => (event.preventDefault(), move && act.mutate({ move: move.code, cases: rows, form }))}>
          <Field label={t('work:bulk.move')} hint={t('work:bulk.hint')}>
            {ids => (
              <Select {...ids} required value={code} onChange={e => setCode(e.target.value)}>
                <option value="">{t('work:move.choose')}</option>
                {moves.map(one => <option key={one.code} value={one.code}>{named(lng, one.name, one.name_en)}</option>)}
              </Select>
            )}
          </Field>
          {move ? <MoveFields key={move.code} move={move} form={form} set={part => setForm(before => ({ ...before, ...part }))} kind={first.data.kind} replies={first.data.replies} photos={false} /> : null}
          <FailedNote error={act.error} />
          <div className="dialog-foot">
            <Button look="secondary" onClick={onClose}>{t('ui.cancel')}</Button>
            <Button type="submit" busy={act.isPending} disabled={!move || missing(move, form, false)}>{t('work:bulk.do', { n: rows.length })}</Button>
          </div>
        </form>
      )}
    </Dialog>
  )
}
