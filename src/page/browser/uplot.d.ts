// The browser gets uplot's own module at this path.
import uPlot from 'uplot';

export default uPlot;
