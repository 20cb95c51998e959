import {render} from 'preact';
import {App} from './app';
import {followLinks} from './state/route';
import './style/base.css';
import './style/parts.css';
import './style/pages.css';

const root = document.getElementById('app') as HTMLElement;
followLinks(root);
render(<App />, root);
