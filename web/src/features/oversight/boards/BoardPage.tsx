import { Copy, House, MonitorPlay, Pencil } from 'lucide-react'
import { useState } from 'react'
import { useAddBoard, useBoard, useSetStartBoard } from '@/api/boards'
import { useT } from '@/i18n'
import { Badge, Button, Empty, go, Loaded, PageHeader, toast, toastError, useTitle } from '@/ui'
import { useKeys, useSearch } from '@/ui/rich'
import { Editor } from './Editor'
import { BoardGrid } from './Grid'
import { WallView } from './WallView'

/** One board: to look at, to change (one's own), or on a wall (`?wall=1`, with others in turn by `with` and `every`). */
export default function BoardPage({ params }: { params: Record<string, string> }) {
  const id = params['id'] ?? ''
  const t = useT()
  const [search, setSearch] = useSearch()
  const wall = search['wall'] === '1'
  const board = useBoard(id)
  const mine = board.data?.mine === true
  const [editing, setEditing] = useState(search['edit'] === '1')
  const copy = useAddBoard()
  const start = useSetStartBoard()
  useTitle(board.data?.name)
  const edit = () => mine && setEditing(true)
  const done = () => {
    setEditing(false)
    setSearch({ edit: undefined })
  }
  const copyIt = () => copy.mutate({ copy_of: id }, { onSuccess: made => go(`/ioc/boards/${made.id}?edit=1`), onError: toastError })
  useKeys(t('boards:board'), {
    ...(mine ? { e: { label: t('boards:do.edit'), run: edit } } : {}),
    c: { label: t('boards:do.copy'), run: copyIt },
    w: { label: t('boards:do.wall'), run: () => setSearch({ wall: wall ? undefined : '1' }) },
    ...(wall ? { Escape: { label: t('boards:do.leave_wall'), run: () => setSearch({ wall: undefined }) } } : {}),
  }, !editing)
  if (wall) {
    const more = (search['with'] ?? '').split(',').filter(Boolean)
    const every = Number(search['every'])
    return <WallView boards={[id, ...more].slice(0, 12)} seconds={every >= 5 && every <= 3_600 ? every : 30} />
  }
  return (
    <Loaded of={board} rows={4} height="8rem">
      {data => editing && mine ? <Editor key={data.id} board={data} onDone={done} /> : (
        <>
          <PageHeader
            title={data.name}
            lead={<>{data.mine ? t('boards:by_me') : t('boards:by', { who: data.owner_name })} <Badge>{t(`boards:share.${data.shared}`)}{data.with_name ? `: ${data.with_name}` : ''}</Badge></>}
            actions={
              <>
                {data.mine ? <Button icon={<Pencil size={18} aria-hidden />} onClick={edit}>{t('boards:do.edit')}</Button> : null}
                <Button look="secondary" icon={<Copy size={18} aria-hidden />} busy={copy.isPending} onClick={copyIt}>{t('boards:do.copy')}</Button>
                <Button look="quiet" icon={<House size={18} aria-hidden />} aria-pressed={data.start} busy={start.isPending} onClick={() => start.mutate(data.start ? undefined : data.id, { onSuccess: () => toast(t(data.start ? 'boards:start.off_done' : 'boards:start.on_done')), onError: toastError })}>{t(data.start ? 'boards:start.off' : 'boards:start.on')}</Button>
                <Button look="quiet" icon={<MonitorPlay size={18} aria-hidden />} onClick={() => setSearch({ wall: '1' })}>{t('boards:do.wall')}</Button>
              </>
            }
          />
          {data.widgets.length === 0 ? <Empty title={t('boards:edit.empty')} action={data.mine ? <Button onClick={edit}>{t('boards:do.edit')}</Button> : undefined}>{t('boards:edit.empty_body')}</Empty> : <BoardGrid widgets={data.widgets} />}
        </>
      )}
    </Loaded>
  )
}
