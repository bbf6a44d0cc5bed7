"""pandas: the frame in memory that pandas programs expect. Writes nothing; needs the extra ``fnolake[pandas]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from fnolake.errors import ConfigError
from fnolake.export.backtesting import frame_of as named
from fnolake.export.pandasfile import arrow

if TYPE_CHECKING:
    import pandas as pd


def frame_of(bars: pl.DataFrame) -> pd.DataFrame:
    """
    ``query.bars.BAR_COLUMNS`` as a frame with an index of instants, see ``Lake.to_pandas``.

    Raises:
        ConfigError: pandas is not installed.
    """
    try:
        made = arrow(named(bars)).to_pandas()
    except ImportError as error:
        raise ConfigError("pandas is not installed: pip install 'fnolake[pandas]'") from error
    if bars["symbol"].n_unique() > 1:
        made.insert(0, "Symbol", bars["symbol"].to_list())
    return made
