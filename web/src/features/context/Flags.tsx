import { TriangleAlert } from 'lucide-react'
import { useT } from '@/i18n'
import { Badge } from '@/ui'

/** Flags of quality that are told, in the order of their weight. */
const FLAGS = [1, 2, 4, 8, 32]

/** What is doubtful about a value; `good` is said when nothing is. */
export function Flags({ flags, good }: { flags: number | undefined; good?: string }) {
  const t = useT()
  const told = FLAGS.filter(flag => (flags ?? 0) & flag)
  if (told.length === 0) return good ? <Badge tone="good">{good}</Badge> : null
  return <span className="row" style={{ gap: 'var(--s1)' }}>{told.map(flag => <Badge key={flag} tone="high" icon={<TriangleAlert size={14} aria-hidden />}>{t(`thing.flag.${flag}`)}</Badge>)}</span>
}
