/** The current section through .section, .pushsection, .popsection, .previous and .subsection. */
import { Directive } from './directive.ts';
import { type Section, sectionOf, splitArguments } from './section.ts';

interface Place {
  readonly section: Section;
  readonly subsection: string;
}

export class SectionStack {
  readonly #byArguments = new Map<string, Section>();
  readonly #byName = new Map<string, Section>();
  readonly #stack: { readonly current: Place; readonly previous: Place }[] = [];
  #current: Place;
  #previous: Place;

  constructor() {
    this.#current = { section: this.#named('.text'), subsection: '0' };
    this.#previous = this.#current;
  }

  /** Every section named so far. */
  get seen(): Iterable<Section> {
    return this.#byName.values();
  }

  get section(): Section {
    return this.#current.section;
  }

  /** The same for the same stream of statements: section, group and subsection. */
  get key(): string {
    const { section, subsection } = this.#current;
    return subsection === '0' && section.group === ''
      ? section.name
      : `${section.name}\0${section.group}\0${subsection}`;
  }

  apply(directive: Directive, args: string): void {
    switch (directive) {
      case Directive.Text:
        this.#go({ section: this.#named('.text'), subsection: args || '0' });
        break;
      case Directive.Data:
        this.#go({ section: this.#named('.data'), subsection: args || '0' });
        break;
      case Directive.Bss:
        this.#go({ section: this.#named('.bss'), subsection: args || '0' });
        break;
      case Directive.Section:
        this.#go({ section: this.#named(args), subsection: '0' });
        break;
      case Directive.PushSection: {
        this.#stack.push({ current: this.#current, previous: this.#previous });
        const parts = splitArguments(args);
        // .pushsection name [, subsection] [, "flags" …]
        const subsection = /^\d+$/.test(parts[1] ?? '') ? parts.splice(1, 1)[0]! : '0';
        this.#go({ section: this.#named(parts.join(',')), subsection });
        break;
      }
      case Directive.PopSection: {
        const top = this.#stack.pop();
        if (top !== undefined) {
          this.#current = top.current;
          this.#previous = top.previous;
        }
        break;
      }
      case Directive.Previous: {
        const { section, subsection } = this.#previous;
        this.#previous = this.#current;
        this.#current = { section, subsection };
        break;
      }
      case Directive.Subsection:
        this.#go({ section: this.#current.section, subsection: args || '0' });
        break;
    }
  }

  #go(place: Place): void {
    this.#previous = this.#current;
    this.#current = place;
  }

  /** A later mention may leave the flags out: it means the section of that name that is known. */
  #named(args: string): Section {
    let section = this.#byArguments.get(args);
    if (section !== undefined) return section;
    section = sectionOf(args);
    const id = `${section.name}\0${section.group}`;
    const known = this.#byName.get(id);
    if (known !== undefined && splitArguments(args).length < 2) section = known;
    else if (known === undefined) this.#byName.set(id, section);
    this.#byArguments.set(args, section);
    return section;
  }
}
