/** Components that bring a library with them (react-aria, TanStack Table, the router). Charts apart: `@/ui/rich/chart`. */
export * from './table'
export * from './widgets'
export * from './search'
export * from './spark'
export * from './keys'
