/** The mark: a lotus over the river. */
export function Mark({ size = 36 }: { size?: number }) {
  return (
    <svg className="mark" width={size} height={size} viewBox="0 0 64 64" aria-hidden>
      <path d="M32 10c7 8 7 18 0 27-7-9-7-19 0-27Z" fill="var(--warm)" />
      <path d="M12 25c10 1 17 7 19 17-11 0-18-7-19-17ZM52 25c-10 1-17 7-19 17 11 0 18-7 19-17Z" fill="currentColor" />
      <path d="M10 51c7.5-5 14.500-5 22 0s14.500 5 22 0" fill="none" stroke="var(--warm)" strokeWidth="3.600" strokeLinecap="round" />
    </svg>
  )
}
