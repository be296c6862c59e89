import { QueryCache, QueryClient } from '@tanstack/react-query'
import { ApiError } from '@/api'

export const client: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    // A session that ended while the page was open: asking who we are leads the shell to the sign-in page.
    onError: (error, query) => {
      if (error instanceof ApiError && error.status === 401 && query.queryKey[0] !== 'me') void client.invalidateQueries({ queryKey: ['me'] })
    },
  }),
  defaultOptions: {
    // Without a network the service worker may still have an answer; and where it has none, an error says more than silence.
    mutations: { networkMode: 'always' },
    queries: {
      networkMode: 'always',
      staleTime: 15_000,
      // What the server refused stays refused; only the network and a busy server are worth another try.
      retry: (count, error) => count < 2 && (!(error instanceof ApiError) || error.offline || error.status === 429 || error.status >= 502),
      retryDelay: (count, error) => (error instanceof ApiError && error.retryAfter ? error.retryAfter * 1000 : 800 * 2 ** count),
    },
  },
})
