/** Boards on a wall: one after the other, nothing to press, and always honest about how old what it shows is. */
import { CloudOff, Hourglass } from 'lucide-react'
import { useEffect, useState } from 'react'
import { ApiError, useLiveState } from '@/api'
import { useBoard } from '@/api/boards'
import { useT } from '@/i18n'
import { errorWords, format, Loading, useTitle } from '@/ui'
import { BoardGrid, useWallType } from './Grid'

/** Without an answer for so long, what is shown counts as old. */
const STALE_MS = 90_000
/** A connection that comes back at once is no news. */
const LOST_MS = 5_000

/** Keeps the screen awake as long as the page is seen; asks again when it comes back. */
function useAwake(): void {
  useEffect(() => {
    let lock: WakeLockSentinel | undefined
    let over = false
    const ask = () => {
      if (document.visibilityState !== 'visible' || !('wakeLock' in navigator)) return
      navigator.wakeLock.request('screen').then(
        held => {
          if (over) void held.release()
          else lock = held
        },
        // A battery that is low refuses; the wall goes on without.
        () => undefined,
      )
    }
    ask()
    document.addEventListener('visibilitychange', ask)
    return () => {
      over = true
      document.removeEventListener('visibilitychange', ask)
      void lock?.release()
    }
  }, [])
}

/** True once the live stream has been lost for a moment. */
function useLost(now: number): boolean {
  const state = useLiveState()
  const [since, setSince] = useState<number>()
  useEffect(() => setSince(before => (state === 'lost' ? (before ?? Date.now()) : undefined)), [state])
  return since !== undefined && now - since >= LOST_MS
}

export function WallView({ boards, seconds, ended }: { boards: readonly string[]; seconds: number; ended?: boolean }) {
  const t = useT()
  useWallType(true)
  useAwake()
  const [now, setNow] = useState(() => Date.now())
  const [at, setAt] = useState(0)
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000)
    return () => clearInterval(timer)
  }, [])
  useEffect(() => {
    if (boards.length < 2) return
    const timer = setInterval(() => setAt(before => (before + 1) % boards.length), seconds * 1_000)
    return () => clearInterval(timer)
  }, [boards.length, seconds])
  const board = useBoard(boards[at % boards.length], true)
  // The next one is there when its turn comes.
  useBoard(boards.length > 1 ? boards[(at + 1) % boards.length] : undefined, true)
  const lost = useLost(now) || (board.error instanceof ApiError && board.error.offline)
  const stale = board.dataUpdatedAt > 0 && now - board.dataUpdatedAt > STALE_MS
  useTitle(board.data?.name)
  return (
    <div className="wall-page">
      <header className="wall-head">
        <h1 className="grow clip">{board.data?.name ?? ''}</h1>
        {boards.length > 1 ? <span className="wall-steps" role="img" aria-label={t('boards:wall.step', { n: (at % boards.length) + 1, of: boards.length })}>{boards.map((id, i) => <i key={id} className={i === at % boards.length ? 'on' : undefined} />)}</span> : null}
        {lost || stale ? null : <span className="wall-state"><i aria-hidden />{t('live.live')}</span>}
        <time className="strong tnum" dateTime={new Date(now).toISOString()}>{format.time(now)}</time>
      </header>
      {ended ? <p className="wall-lost" role="alert"><CloudOff aria-hidden />{t('boards:wall.ended')}</p> : lost || stale ? (
        <p className="wall-lost" role="alert">
          {lost ? <CloudOff aria-hidden /> : <Hourglass aria-hidden />}
          {t(lost ? 'boards:wall.lost' : 'boards:wall.stale', { at: format.time(board.dataUpdatedAt || now) })}
        </p>
      ) : null}
      {board.data ? <BoardGrid key={board.data.id} widgets={board.data.widgets} fills /> : board.error ? <p className="wall-lost" role="alert"><CloudOff aria-hidden />{errorWords(board.error)} {t('boards:wall.again')}</p> : <Loading rows={4} height="8rem" />}
    </div>
  )
}
