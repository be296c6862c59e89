/** A trend as small as a word: the line, and a dot where it ends. `summary` says it in words. */
export function Spark({ values, summary, width = 88, height = 26 }: { values: readonly number[]; summary: string; width?: number; height?: number }) {
  if (values.length < 2) return null
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const x = (i: number) => 3 + (i * (width - 8)) / (values.length - 1)
  const y = (v: number) => (high === low ? height / 2 : height - 4 - ((v - low) / (high - low)) * (height - 8))
  const last = values.length - 1
  return (
    <svg className="spark" width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={summary}>
      <polyline points={values.map((v, i) => `${x(i).toFixed(1)},${y(v).toFixed(1)}`).join(' ')} fill="none" stroke="currentColor" strokeWidth={2} strokeLinejoin="round" strokeLinecap="round" />
      <circle cx={x(last)} cy={y(values[last] ?? 0)} r={3} fill="currentColor" />
    </svg>
  )
}
