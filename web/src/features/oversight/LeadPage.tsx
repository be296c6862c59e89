import { ChartNoAxesCombined } from 'lucide-react'
import { lazy, Suspense } from 'react'
import { useBoard, useStartBoard } from '@/api/boards'
import { useT } from '@/i18n'
import { LinkButton, Loading, PageHeader, useTitle } from '@/ui'
import { useSearch } from '@/ui/rich'

const ScorecardPage = lazy(() => import('./ScorecardPage'))
const BoardGrid = lazy(() => import('./boards/Grid').then(module => ({ default: module.BoardGrid })))

/** A leader's own board, where one was chosen as start page. */
function Own({ id }: { id: string }) {
  const t = useT()
  const board = useBoard(id)
  useTitle(board.data?.name)
  // A board that is gone is no reason to show nothing.
  if (board.error && !board.data) return <ScorecardPage />
  if (!board.data) return <Loading rows={4} height="8rem" />
  return (
    <>
      <PageHeader
        title={board.data.name}
        actions={
          <>
            <LinkButton look="secondary" icon={<ChartNoAxesCombined size={18} aria-hidden />} href="/lead?card=1">{t('boards:start.card')}</LinkButton>
            <LinkButton look="quiet" href={`/ioc/boards/${id}`}>{t('boards:start.open')}</LinkButton>
          </>
        }
      />
      <BoardGrid widgets={board.data.widgets} />
    </>
  )
}

/** The scorecard; for who chose a board as start page, that board, with the scorecard one step away. */
export default function LeadPage() {
  const start = useStartBoard()
  const [search] = useSearch()
  const asked = Object.values(search).some(Boolean)
  return <Suspense fallback={<Loading rows={5} height="5rem" />}>{asked || start.error || (start.data && !start.data.board) ? <ScorecardPage /> : start.data?.board ? <Own id={start.data.board} /> : <Loading rows={5} height="5rem" />}</Suspense>
}
