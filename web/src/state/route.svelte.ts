// The view lies in the address after #, so that Back and bookmarks work.

export const VIEWS = ['create', 'gallery', 'jobs'] as const;
export type View = (typeof VIEWS)[number];

function viewOf(hash: string): View {
  return VIEWS.find((view) => view === hash.replace(/^#\/?/, '')) ?? 'create';
}

class Route {
  view = $state<View>(viewOf(location.hash));

  constructor() {
    addEventListener('hashchange', () => (this.view = viewOf(location.hash)));
  }

  go(view: View): void {
    location.hash = `/${view}`;
  }
}

export const route = new Route();
