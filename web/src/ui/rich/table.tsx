import { createSortedRowModel, rowSortingFeature, sortFn_alphanumeric, sortFn_basic, tableFeatures, useTable, type ColumnDef, type SortingState } from '@tanstack/react-table'
import { useVirtualizer } from '@tanstack/react-virtual'
import { ArrowDown, ArrowUp } from 'lucide-react'
import { useMemo, useRef, type ReactNode } from 'react'
import { cx } from '../controls'
import { Failed, Loading } from '../states'
import './rich.css'

const features = tableFeatures({ rowSortingFeature, sortedRowModel: createSortedRowModel(), sortFns: { alphanumeric: sortFn_alphanumeric, basic: sortFn_basic } })

export interface Column<T> {
  id: string
  header: ReactNode
  /** What is sorted by; a column without it is not sortable. */
  value?: (row: T) => string | number | undefined
  cell: (row: T) => ReactNode
  /** CSS grid width: `8rem`, `minmax(12rem, 2fr)`. */
  width?: string
  align?: 'end'
}

interface TableProps<T> {
  label: string
  rows: readonly T[]
  columns: readonly Column<T>[]
  rowKey: (row: T) => string
  /** Where a row leads: the whole row is then one link. */
  href?: (row: T) => string
  onOpen?: (row: T) => void
  chosen?: string
  tone?: (row: T) => string | undefined
  /** Height of the scrolled part; rows are virtual. */
  height?: string
  rowHeight?: number
  sortBy?: SortingState
  onEnd?: () => void
}

/** A table that people compare in: sortable, virtual, keyboard-reachable rows. */
export function DataTable<T extends object>({ label, rows, columns, rowKey, href, onOpen, chosen, tone, height = '65dvh', rowHeight = 56, sortBy, onEnd }: TableProps<T>) {
  const defs = useMemo<ColumnDef<typeof features, T>[]>(
    () =>
      columns.map(column => ({
        id: column.id,
        header: () => column.header,
        cell: info => column.cell(info.row.original),
        accessorFn: (row: T) => column.value?.(row),
        enableSorting: Boolean(column.value),
        sortFn: 'basic',
        sortUndefined: 'last',
      })),
    [columns],
  )
  const data = useMemo(() => [...rows], [rows])
  const table = useTable({ features, columns: defs, data, getRowId: rowKey, ...(sortBy ? { initialState: { sorting: sortBy } } : {}) })
  const body = useRef<HTMLDivElement>(null)
  const model = table.getRowModel().rows
  const virtual = useVirtualizer({ count: model.length, getScrollElement: () => body.current, estimateSize: () => rowHeight, overscan: 12 })
  const grid = { gridTemplateColumns: columns.map(column => column.width ?? 'minmax(8rem, 1fr)').join(' ') }
  const last = virtual.getVirtualItems().at(-1)
  if (onEnd && last && last.index >= model.length - 5) queueMicrotask(onEnd)
  return (
    <div className="table" role="table" aria-label={label} aria-rowcount={model.length}>
      <div className="table-scroll" ref={body} style={{ maxHeight: height }} tabIndex={0} role="rowgroup" aria-label={label}>
        <div className="table-head" role="row" style={grid}>
          {table.getHeaderGroups().flatMap(group =>
            group.headers.map((header, i) => {
              const sorted = header.column.getIsSorted()
              return (
                <div key={header.id} role="columnheader" className={cx(columns[i]?.align === 'end' && 'end')} aria-sort={sorted ? (sorted === 'asc' ? 'ascending' : 'descending') : undefined}>
                  {header.column.getCanSort() ? (
                    <button type="button" onClick={header.column.getToggleSortingHandler()}>
                      {columns[i]?.header}
                      {sorted === 'asc' ? <ArrowUp size={14} aria-hidden /> : sorted === 'desc' ? <ArrowDown size={14} aria-hidden /> : null}
                    </button>
                  ) : (
                    columns[i]?.header
                  )}
                </div>
              )
            }),
          )}
        </div>
        <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
          {virtual.getVirtualItems().map(item => {
            const row = model[item.index]
            if (!row) return null
            const cells = columns.map(column => (
              <div key={column.id} role="cell" className={cx(column.align === 'end' && 'end')}>
                {column.cell(row.original)}
              </div>
            ))
            const common = {
              role: 'row',
              'aria-rowindex': item.index + 1,
              className: cx('table-row', (href || onOpen) && 'opens', chosen === row.id && 'chosen', tone?.(row.original) && `tone-${tone(row.original)}`),
              style: { ...grid, height: rowHeight, transform: `translateY(${item.start}px)` },
            }
            return href ? (
              <a key={row.id} {...common} href={href(row.original)}>{cells}</a>
            ) : (
              <div key={row.id} {...common} {...(onOpen ? { tabIndex: 0, onClick: () => onOpen(row.original), onKeyDown: e => e.key === 'Enter' && onOpen(row.original) } : {})}>
                {cells}
              </div>
            )
          })}
        </div>
      </div>
    </div>
  )
}

/** A list that is read page by page, as the queries of `@/api` give it. */
interface Pages<T> {
  data: { pages: readonly { items: readonly T[] }[] } | undefined
  error: unknown
  hasNextPage: boolean
  isFetchingNextPage: boolean
  fetchNextPage: () => unknown
  refetch: () => unknown
}

/** A table of a paged list with all its states: waiting, failed, nothing there (`children`), more to come. */
export function PagedTable<T extends object>({ pages, children, ...table }: Omit<TableProps<T>, 'rows' | 'onEnd'> & { pages: Pages<T>; children: ReactNode }) {
  const rows = useMemo(() => pages.data?.pages.flatMap(page => page.items) ?? [], [pages.data])
  if (pages.error && rows.length === 0) return <Failed error={pages.error} onRetry={() => void pages.refetch()} />
  if (!pages.data) return <Loading rows={6} height="3.5rem" />
  if (rows.length === 0) return children
  return <DataTable {...table} rows={rows} onEnd={() => pages.hasNextPage && !pages.isFetchingNextPage && void pages.fetchNextPage()} />
}
