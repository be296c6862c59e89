import { ListChecks } from 'lucide-react'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useEndTask, useIncidentTasks, useLive, type IncidentTask } from '@/api'
import { useT } from '@/i18n'
import { Button, Card, Dialog, Due, Empty, FailedNote, Field, Loaded, PageHeader, Segments, TextArea, useTitle } from '@/ui'
import './incidents.css'
import { DrillBadge } from './parts'

/** Tasks of incidents for my units. */
export default function TasksPage() {
  const t = useT()
  useTitle(t('incidents:unit_tasks'))
  const client = useQueryClient()
  const [state, setState] = useState<'open' | 'all'>('open')
  const tasks = useIncidentTasks(state)
  const end = useEndTask()
  const [ending, setEnding] = useState<IncidentTask>()
  const [note, setNote] = useState('')
  useLive(['incident-changed', 'hello', 'reset'], () => void client.invalidateQueries({ queryKey: ['incident-tasks'] }))
  return (
    <>
      <PageHeader title={t('incidents:unit_tasks')} />
      <div className="stack">
        <Segments label={t('incidents:view')} value={state} onChange={setState} options={[{ value: 'open', label: t('incidents:open') }, { value: 'all', label: t('ui.all') }]} />
        <Loaded of={tasks}>
          {page =>
            page.items.length === 0 ? <Empty icon={<ListChecks size={30} aria-hidden />} title={t('incidents:no_tasks')} /> : (
              <ul className="plain-list stack-s">
                {page.items.map(task => (
                  <li key={task.id}>
                    <Card tight className={task.drill ? 'drill' : undefined}>
                      <div className="spread wrap-row">
                        <span className="stack-s"><strong>{task.text}</strong><span className="small quiet"><a href={`/ioc/incidents?id=${task.incident}${task.drill ? '&drill=yes' : ''}`}>{task.code} {task.title}</a> · {task.unit.name}</span><span className="row"><DrillBadge drill={task.drill} />{task.state === 'open' && task.due_at ? <Due at={task.due_at} /> : null}{task.state === 'open' ? null : <span className="small">{t(`incidents:task.${task.state}`)}{task.note ? `: ${task.note}` : ''}</span>}</span></span>
                        {task.state === 'open' ? <Button onClick={() => (setNote(''), setEnding(task))}>{t('incidents:done')}</Button> : null}
                      </div>
                    </Card>
                  </li>
                ))}
              </ul>
            )
          }
        </Loaded>
      </div>
      <Dialog open={Boolean(ending)} onClose={() => setEnding(undefined)} title={ending?.text ?? ''}>
        <form className="stack" onSubmit={event => (event.preventDefault(), ending && end.mutate({ id: ending.id, ...(note.trim() ? { note: note.trim() } : {}) }, { onSuccess: () => setEnding(undefined) }))}>
          <Field label={t('incidents:result')}>{ids => <TextArea {...ids} rows={3} maxLength={4000} value={note} onChange={e => setNote(e.target.value)} />}</Field>
          <FailedNote error={end.error} />
          <div className="dialog-foot"><Button look="secondary" onClick={() => setEnding(undefined)}>{t('ui.cancel')}</Button><Button type="submit" busy={end.isPending}>{t('incidents:done')}</Button></div>
        </form>
      </Dialog>
    </>
  )
}
