import { ArrowDown, ArrowUp, FlaskConical, Pencil, Plus, RotateCcw, Save, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { can, reportType, useCaseTypes, useMe, useResetRouting, useRoads, useRouting, useSaveRouting, useTryRouting, type CaseType, type DryRun, type RoutingRule, type RoutingTest, type RoutingView } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, Card, cx, Dialog, FailedNote, Field, Figure, format, Input, Loaded, Note, PageHeader, Select, TextArea, toast, useTitle } from '@/ui'
import '../cases.css'

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
const list = (text: string) => text.split(/[,\n]/).map(part => part.trim()).filter(Boolean)

/** When and where a rule looks, in words. */
function useReach(type: CaseType | undefined) {
  const t = useT()
  const lng = useLanguage()
  return (rule: RoutingRule): string => {
    const names = (rule.categories ?? []).map(code => { const c = type?.categories.find(one => one.code === code); return c ? named(lng, c.name, c.name_en) : code })
    return [
      names.join(', ') || t('admin:routing.all_categories'),
      rule.areas?.length ? t('admin:routing.in_areas', { areas: rule.areas.join(', ') }) : '',
      rule.words?.length ? `“${rule.words.slice(0, 4).join('”, “')}”${rule.words.length > 4 ? '…' : ''}` : '',
      rule.road ? t('admin:routing.beside', { owners: rule.road.owners.join(', '), m: rule.road.within_m }) : '',
      rule.hours ? rule.hours.join('–') : '',
      rule.weekdays?.length ? rule.weekdays.map(day => t(`admin:routing.day.${day}`)).join(', ') : '',
      rule.working === true ? t('admin:routing.work') : rule.working === false ? t('admin:routing.off') : '',
    ].filter(Boolean).join(' · ')
  }
}

function RuleDialog({ rule, type, onDone, onClose }: { rule: RoutingRule; type: CaseType | undefined; onDone: (rule: RoutingRule) => void; onClose: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const [draft, setDraft] = useState(rule)
  const [words, setWords] = useState((rule.words ?? []).join(', '))
  const [areas, setAreas] = useState((rule.areas ?? []).join(', '))
  const [owners, setOwners] = useState((rule.road?.owners ?? []).join(', '))
  const roads = useRoads()
  const road = list(owners).length > 0 ? { owners: list(owners), within_m: draft.road?.within_m ?? 30 } : null
  const set = (part: Partial<RoutingRule>) => setDraft(before => ({ ...before, ...part }))
  const toUnit = draft.unit !== undefined && draft.unit !== null
  return (
    <Dialog open onClose={onClose} title={draft.code || t('admin:routing.new')}>
      <form className="stack" onSubmit={event => (event.preventDefault(), onDone({ ...draft, words: list(words), areas: list(areas), road }))}>
        <Field label={t('admin:routing.code')} hint={t('admin:routing.code_hint')}>{ids => <Input {...ids} required maxLength={40} pattern="[a-z0-9_\-]+" value={draft.code} onChange={e => set({ code: e.target.value })} />}</Field>
        <Field label={t('admin:routing.categories')} hint={t('admin:routing.categories_hint')}>
          {ids => (
            <Select {...ids} multiple size={6} style={{ height: 'auto', backgroundImage: 'none' }} value={draft.categories ?? []} onChange={e => set({ categories: [...e.target.selectedOptions].map(o => o.value) })}>
              {type?.categories.map(c => <option key={c.code} value={c.code}>{named(lng, c.name, c.name_en)}</option>)}
            </Select>
          )}
        </Field>
        <Field label={t('admin:routing.areas')} hint={t('admin:routing.areas_hint')}>{ids => <Input {...ids} value={areas} onChange={e => setAreas(e.target.value)} />}</Field>
        <div className="two">
          <Field label={t('admin:routing.owners')} hint={t('admin:routing.owners_hint', { owners: roads.data?.owners.map(o => o.code).join(', ') ?? '' })}>{ids => <Input {...ids} value={owners} onChange={e => setOwners(e.target.value)} />}</Field>
          <Field label={t('admin:routing.within')}>{ids => <Input {...ids} type="number" min={1} max={500} disabled={!road} value={draft.road?.within_m ?? 30} onChange={e => set({ road: { owners: list(owners), within_m: Number(e.target.value) || 30 } })} />}</Field>
        </div>
        <Field label={t('admin:routing.words')} hint={t('admin:routing.words_hint')}>{ids => <TextArea {...ids} rows={3} value={words} onChange={e => setWords(e.target.value)} />}</Field>
        <div className="two">
          <Field label={t('admin:routing.from')}>{ids => <Input {...ids} type="time" value={draft.hours?.[0] ?? ''} onChange={e => set({ hours: e.target.value ? [e.target.value, draft.hours?.[1] ?? '23:59'] : null })} />}</Field>
          <Field label={t('admin:routing.to')}>{ids => <Input {...ids} type="time" disabled={!draft.hours} value={draft.hours?.[1] ?? ''} onChange={e => set({ hours: draft.hours ? [draft.hours[0], e.target.value] : null })} />}</Field>
        </div>
        <div className="two">
          <Field label={t('admin:routing.weekdays')}>{ids => <Select {...ids} multiple size={4} style={{ height: 'auto', backgroundImage: 'none' }} value={draft.weekdays ?? []} onChange={e => set({ weekdays: [...e.target.selectedOptions].map(o => o.value) })}>{DAYS.map(day => <option key={day} value={day}>{t(`admin:routing.day.${day}`)}</option>)}</Select>}</Field>
          <Field label={t('admin:routing.working')}>
            {ids => (
              <Select {...ids} value={draft.working === true ? 'work' : draft.working === false ? 'off' : ''} onChange={e => set({ working: e.target.value === '' ? null : e.target.value === 'work' })}>
                <option value="">{t('admin:routing.any_time')}</option>
                <option value="work">{t('admin:routing.work')}</option>
                <option value="off">{t('admin:routing.off')}</option>
              </Select>
            )}
          </Field>
        </div>
        <div className="two">
          <Field label={t('admin:routing.to_what')}>
            {ids => (
              <Select {...ids} value={toUnit ? 'unit' : 'function'} onChange={e => set(e.target.value === 'unit' ? { unit: '', function: null } : { function: '', unit: null })}>
                <option value="function">{t('admin:routing.function')}</option>
                <option value="unit">{t('admin:routing.unit')}</option>
              </Select>
            )}
          </Field>
          <Field label={toUnit ? t('admin:routing.unit_code') : t('admin:routing.function_code')}>{ids => <Input {...ids} required value={(toUnit ? draft.unit : draft.function) ?? ''} onChange={e => set(toUnit ? { unit: e.target.value.trim() } : { function: e.target.value.trim() })} />}</Field>
        </div>
        <Field label={t('admin:routing.why')} hint={t('admin:routing.why_hint')}>{ids => <TextArea {...ids} required rows={2} maxLength={500} value={draft.why} onChange={e => set({ why: e.target.value })} />}</Field>
        <div className="dialog-foot"><Button look="secondary" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit">{t('admin:routing.take')}</Button></div>
      </form>
    </Dialog>
  )
}

function Result({ run, tests }: { run: DryRun; tests: readonly RoutingTest[] }) {
  const t = useT()
  if (run.faults.length > 0) return <Note tone="critical"><strong>{t('admin:routing.faults')}</strong><ul>{run.faults.map(fault => <li key={fault}>{fault}</li>)}</ul></Note>
  return (
    <Card>
      <div className="stack">
        <h2>{t('admin:routing.result')}</h2>
        {run.failed.length > 0 ? (
          <Note tone="critical">
            <strong>{t('admin:routing.failed', { n: run.failed.length })}</strong>
            <ul>{run.failed.map(f => <li key={f.test}>“{tests[f.test]?.text}”: {t('admin:routing.failed_line', { found: f.found || '–', expected: f.expected })}</li>)}</ul>
          </Note>
        ) : tests.length > 0 ? <Note tone="good">{t('admin:routing.passed', { n: tests.length })}</Note> : null}
        <div className="figures">
          <Figure value={format.number(run.cases)} label={t('admin:routing.looked')} />
          <Figure value={format.number(run.changed)} label={t('admin:routing.changed')} tone={run.changed > 0 ? 'high' : undefined} />
          <Figure value={run.cases > 0 ? format.percent(run.right_before / run.cases) : '–'} label={t('admin:routing.right_before')} />
          <Figure value={run.cases > 0 ? format.percent(run.right_after / run.cases) : '–'} label={t('admin:routing.right_after')} />
        </div>
        <div className="stats-table" tabIndex={0} role="region" aria-label={t('admin:routing.by_rule')}>
          <table>
            <thead><tr><th scope="col">{t('admin:routing.by_rule')}</th><th scope="col">{t('admin:routing.before')}</th><th scope="col">{t('admin:routing.after')}</th></tr></thead>
            <tbody>{run.by_rule.map(row => <tr key={row.rule}><th scope="row">{row.rule || t('admin:routing.queue')}</th><td>{format.number(row.before)}</td><td className={row.before === row.after ? undefined : 'strong'}>{format.number(row.after)}</td></tr>)}</tbody>
          </table>
        </div>
        {run.samples.length > 0 ? (
          <ul className="plain-list stack-s">
            {run.samples.map(s => <li key={s.code} className="small"><a href={`/r/${s.code}`} className="tnum">{s.code}</a> · {s.area_name ?? ''} · {s.before[1].name} → <strong>{s.after[1].name}</strong></li>)}
          </ul>
        ) : null}
      </div>
    </Card>
  )
}

function Editor({ view, type }: { view: RoutingView; type: CaseType | undefined }) {
  const t = useT()
  const me = useMe()
  const reach = useReach(type)
  const [rules, setRules] = useState(view.rules)
  const [tests, setTests] = useState(view.tests)
  const [editing, setEditing] = useState<number>()
  const [test, setTest] = useState<RoutingTest>({ category: '', text: '', expect: '' })
  const attempt = useTryRouting(view.kind)
  const save = useSaveRouting(view.kind)
  const reset = useResetRouting(view.kind)
  const may = can(me.data, 'pack-manage')
  const change = (next: RoutingRule[]) => (setRules(next), attempt.reset())
  const swap = (a: number, b: number) => change(rules.map((rule, i) => (i === a ? rules[b] : i === b ? rules[a] : rule)) as RoutingRule[])
  const tried = attempt.data && attempt.data.faults.length === 0 && attempt.data.failed.length === 0
  const fresh: RoutingRule = { code: '', categories: [], areas: [], words: [], weekdays: [], function: '', why: '' }
  return (
    <div className="stack">
      {view.saved_by ? <Note>{t('admin:routing.saved_by', { by: view.saved_by, at: view.saved_at ? format.dateTime(view.saved_at) : '' })}</Note> : <p className="small quiet">{t('admin:routing.of_pack')}</p>}
      <ol className="plain-list stack-s">
        {rules.map((rule, i) => (
          <li key={rule.code}>
            <Card tight>
              <div className="rule-row">
                <span className="tnum quiet">{i + 1}</span>
                <div className="grow">
                  <div className="row"><strong className="code">{rule.code}</strong><Badge>{rule.unit || rule.function}</Badge></div>
                  <p className="small">{reach(rule)}</p>
                  <p className="small quiet">{rule.why}</p>
                </div>
                {may ? (
                  <div className={cx('row', 'rule-acts')}>
                    <Button look="quiet" iconOnly disabled={i === 0} icon={<ArrowUp size={18} aria-hidden />} onClick={() => swap(i, i - 1)}>{t('admin:routing.up', { code: rule.code })}</Button>
                    <Button look="quiet" iconOnly disabled={i === rules.length - 1} icon={<ArrowDown size={18} aria-hidden />} onClick={() => swap(i, i + 1)}>{t('admin:routing.down', { code: rule.code })}</Button>
                    <Button look="quiet" iconOnly icon={<Pencil size={18} aria-hidden />} onClick={() => setEditing(i)}>{t('admin:routing.edit', { code: rule.code })}</Button>
                    <Button look="quiet" iconOnly icon={<Trash2 size={18} aria-hidden />} onClick={() => change(rules.filter((_, at) => at !== i))}>{t('admin:routing.remove', { code: rule.code })}</Button>
                  </div>
                ) : null}
              </div>
            </Card>
          </li>
        ))}
      </ol>
      {may ? <Button look="secondary" icon={<Plus size={18} aria-hidden />} onClick={() => setEditing(-1)}>{t('admin:routing.add')}</Button> : null}
      <Card>
        <form className="stack" onSubmit={event => (event.preventDefault(), setTests([...tests, test]), setTest({ category: '', text: '', expect: '' }), attempt.reset())}>
          <h2>{t('admin:routing.tests')}</h2>
          <p className="small quiet">{t('admin:routing.tests_hint')}</p>
          {tests.map((one, i) => <div key={i} className="spread small"><span>“{one.text}” → <span className="code">{one.expect}</span></span><Button look="quiet" iconOnly icon={<Trash2 size={16} aria-hidden />} onClick={() => (setTests(tests.filter((_, at) => at !== i)), attempt.reset())}>{t('admin:routing.remove_test', { n: i + 1 })}</Button></div>)}
          <Field label={t('admin:routing.test_text')}>{ids => <Input {...ids} required maxLength={500} value={test.text} onChange={e => setTest({ ...test, text: e.target.value })} />}</Field>
          <div className="two">
            <Field label={t('admin:routing.test_category')}>{ids => <TypeSelect ids={ids} type={type} value={test.category} onChange={category => setTest({ ...test, category })} />}</Field>
            <Field label={t('admin:routing.test_expect')}>{ids => <Select {...ids} required value={test.expect} onChange={e => setTest({ ...test, expect: e.target.value })}><option value="">{t('admin:choose')}</option>{rules.map(rule => <option key={rule.code}>{rule.code}</option>)}</Select>}</Field>
          </div>
          <Button type="submit" look="secondary" disabled={!test.text.trim() || !test.category || !test.expect}>{t('admin:routing.add_test')}</Button>
        </form>
      </Card>
      <div className="row">
        <Button look={tried ? 'secondary' : 'primary'} icon={<FlaskConical size={18} aria-hidden />} busy={attempt.isPending} onClick={() => attempt.mutate({ rules, tests })}>{t('admin:routing.try')}</Button>
        {may ? <Button icon={<Save size={18} aria-hidden />} busy={save.isPending} disabled={!tried} onClick={() => save.mutate({ rules, tests, version: view.version }, { onSuccess: () => toast(t('admin:routing.saved')) })}>{t('admin:routing.save')}</Button> : null}
        {may && view.saved_by ? <Button look="quiet" icon={<RotateCcw size={18} aria-hidden />} busy={reset.isPending} onClick={() => reset.mutate(undefined, { onSuccess: back => (setRules(back.rules), setTests(back.tests), attempt.reset(), toast(t('admin:routing.reset_done'))) })}>{t('admin:routing.reset')}</Button> : null}
      </div>
      <FailedNote error={attempt.error ?? save.error ?? reset.error} />
      <div role="status">{attempt.data ? <Result run={attempt.data} tests={tests} /> : null}</div>
      {editing === undefined ? null : (
        <RuleDialog
          rule={editing < 0 ? fresh : (rules[editing] ?? fresh)}
          type={type}
          onClose={() => setEditing(undefined)}
          // A new rule goes first: below the last, which matches everything, it would never be asked.
          onDone={rule => (change(editing < 0 ? [rule, ...rules] : rules.map((one, i) => (i === editing ? rule : one))), setEditing(undefined))}
        />
      )}
    </div>
  )
}

function TypeSelect({ ids, type, value, onChange }: { ids: object; type: CaseType | undefined; value: string; onChange: (code: string) => void }) {
  const t = useT()
  const lng = useLanguage()
  return (
    <Select {...ids} required value={value} onChange={e => onChange(e.target.value)}>
      <option value="">{t('admin:choose')}</option>
      {type?.categories.map(c => <option key={c.code} value={c.code}>{named(lng, c.name, c.name_en)}</option>)}
    </Select>
  )
}

/** Which unit gets a report: ordered rules, tried on past cases before they count. */
export default function RoutingPage() {
  const t = useT()
  useTitle(t('admin:routing.title'))
  const types = useCaseTypes()
  const kind = reportType(types.data)?.kind
  const view = useRouting(kind)
  return (
    <>
      <PageHeader title={t('admin:routing.title')} lead={t('admin:routing.lead')} />
      <Loaded of={view} height="5rem" rows={5}>{data => <Editor key={data.version} view={data} type={types.data?.find(one => one.kind === data.kind)} />}</Loaded>
    </>
  )
}
