import { LayoutDashboard, Plus, Trash2 } from 'lucide-react'
import { useEffect, useMemo, useState, type FormEvent } from 'react'
import { can, useMe } from '@/api'
import { useAddBoard, useBoards, useBoardTemplates, useRemoveBoard, type BoardEntry, type BoardTemplate, type Widget } from '@/api/boards'
import { language, named, useLanguage, useT } from '@/i18n'
import { Badge, Button, Card, cx, Dialog, Empty, Failed, FailedNote, Field, fold, format, go, Input, Loading, PageHeader, SearchBox, toastError, useTitle } from '@/ui'
import { useKeys, useSearch } from '@/ui/rich'
import './boards.css'
import { cellStyle } from './model'
import { Walls } from './Walls'

function Mini({ widgets }: { widgets: readonly Widget[] }) {
  return <span className="board-mini" aria-hidden>{widgets.map(w => <i key={w.id} style={cellStyle(w)} />)}</span>
}

function Template({ template, busy, onTake }: { template: BoardTemplate; busy: boolean; onTake: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const title = named(lng, template.title, template.title_en)
  return (
    <Card tight className="board-card">
      <Mini widgets={template.widgets} />
      <h3>{title}</h3>
      <p className="small quiet grow">{named(lng, template.note, template.note_en)}</p>
      <Button look="secondary" busy={busy} onClick={onTake}><span aria-hidden>{t('boards:new.take')}</span><span className="visually-hidden">{t('boards:new.take_it', { title })}</span></Button>
    </Card>
  )
}

/** From nothing or from a pack's template. */
function New({ onClose }: { onClose: () => void }) {
  const t = useT()
  const templates = useBoardTemplates()
  const add = useAddBoard()
  const [name, setName] = useState('')
  const make = (template?: string) => add.mutate({ lang: language(), ...(template ? { template } : {}), ...(name.trim() ? { name: name.trim() } : {}) }, { onSuccess: board => (onClose(), go(`/ioc/boards/${board.id}?edit=1`)) })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    make()
  }
  return (
    <div className="stack">
      <form className="stack" onSubmit={submit}>
        <Field label={t('boards:name')} hint={t('boards:new.name_hint')}>{ids => <Input {...ids} maxLength={120} value={name} onChange={e => setName(e.target.value)} />}</Field>
        <FailedNote error={add.error} />
        <div className="dialog-foot"><Button type="submit" look="secondary" disabled={!name.trim()} busy={add.isPending}>{t('boards:new.empty')}</Button></div>
      </form>
      <h3>{t('boards:new.templates')}</h3>
      <div className="board-cards">{templates.data?.map(one => <Template key={one.code} template={one} busy={add.isPending} onTake={() => make(one.code)} />)}</div>
      {templates.error ? <Failed error={templates.error} /> : null}
    </div>
  )
}

function BoardCard({ board, cursor, removes, onRemove }: { board: BoardEntry; cursor: boolean; removes: boolean; onRemove: () => void }) {
  const t = useT()
  return (
    <Card tight className={cx('board-card', cursor && 'cursor')}>
      <h2><a href={`/ioc/boards/${board.id}`} id={`board-${board.id}`}>{board.name}</a></h2>
      <p className="small quiet grow">{[board.mine ? t('boards:by_me') : t('boards:by', { who: board.owner_name }), t('boards:size', { count: board.size, n: board.size }), format.ago(board.changed_at)].join(' · ')}</p>
      <div className="row">
        <Badge tone={board.shared === 'me' ? 'info' : 'brand'}>{t(`boards:share.${board.shared}`)}{board.with_name ? `: ${board.with_name}` : ''}</Badge>
        {board.start ? <Badge tone="good">{t('boards:start.is')}</Badge> : null}
        <span className="grow" />
        {removes ? <Button look="quiet" size="small" iconOnly icon={<Trash2 size={18} aria-hidden />} onClick={onRemove}>{t('boards:remove.title', { name: board.name })}</Button> : null}
      </div>
    </Card>
  )
}

/** One's own boards and those shared with one; new ones from templates; wall screens for those who manage access. */
export default function BoardsPage() {
  const t = useT()
  useTitle(t('boards:title'))
  const me = useMe()
  const list = useBoards()
  const remove = useRemoveBoard()
  const [search, setSearch] = useSearch()
  const [adding, setAdding] = useState(search['new'] === '1')
  const [dropping, setDropping] = useState<BoardEntry>()
  const [cursor, setCursor] = useState(-1)
  const words = search['q'] ?? ''
  const all = useMemo(() => list.data?.pages.flatMap(page => page.items) ?? [], [list.data])
  const boards = useMemo(() => all.filter(board => fold(`${board.name} ${board.owner_name}`).includes(fold(words.trim()))), [all, words])
  const keeps = can(me.data, 'people-manage')
  useEffect(() => {
    if (list.hasNextPage && !list.isFetchingNextPage) void list.fetchNextPage()
  }, [list.hasNextPage, list.isFetchingNextPage, list.fetchNextPage])
  const move = (by: number) => {
    const next = Math.min(boards.length - 1, Math.max(0, cursor + by))
    setCursor(next)
    document.getElementById(`board-${boards[next]?.id}`)?.focus()
  }
  useKeys(t('boards:title'), {
    n: { label: t('boards:new.title'), run: () => setAdding(true) },
    j: { label: t('staff:keys.next'), run: () => move(1) },
    k: { label: t('staff:keys.previous'), run: () => move(-1) },
    Enter: { label: t('staff:keys.open'), run: () => boards[cursor] && go(`/ioc/boards/${boards[cursor].id}`) },
  })
  const close = () => (setAdding(false), setSearch({ new: undefined }))
  return (
    <>
      <PageHeader title={t('boards:title')} lead={t('boards:lead')} actions={<Button icon={<Plus size={18} aria-hidden />} onClick={() => setAdding(true)}>{t('boards:new.title')}</Button>} />
      {list.error && !list.data ? <Failed error={list.error} onRetry={() => void list.refetch()} /> : !list.data ? <Loading /> : all.length === 0 ? (
        <Empty icon={<LayoutDashboard size={30} aria-hidden />} title={t('boards:none')} action={<Button icon={<Plus size={18} aria-hidden />} onClick={() => setAdding(true)}>{t('boards:new.title')}</Button>}>{t('boards:none_body')}</Empty>
      ) : (
        <>
          {all.length > 6 ? <div className="tools"><SearchBox label={t('boards:find')} value={words} onChange={q => setSearch({ q: q || undefined })} /></div> : null}
          <div className="board-cards">{boards.map((board, i) => <BoardCard key={board.id} board={board} cursor={i === cursor} removes={board.mine || (keeps && board.shared !== 'me')} onRemove={() => setDropping(board)} />)}</div>
        </>
      )}
      {keeps ? <Walls boards={all} /> : null}
      <Dialog open={adding} onClose={close} wide title={t('boards:new.title')}><New onClose={close} /></Dialog>
      <Dialog open={dropping !== undefined} onClose={() => setDropping(undefined)} title={t('boards:remove.title', { name: dropping?.name ?? '' })}>
        <p>{t('boards:remove.body')}</p>
        <div className="dialog-foot">
          <Button look="secondary" onClick={() => setDropping(undefined)}>{t('ui.cancel')}</Button>
          <Button look="danger" busy={remove.isPending} onClick={() => dropping && remove.mutate(dropping.id, { onSuccess: () => setDropping(undefined), onError: toastError })}>{t('boards:remove.do')}</Button>
        </div>
      </Dialog>
    </>
  )
}
