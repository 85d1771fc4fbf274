"""Names of functions that a query may call, beyond those the parser knows by meaning.

The lists hold what computes a value from its arguments. What reads files, sleeps, reaches other
servers, sets variables or tells about the server itself is missing from them, and so is what
nobody listed yet.
"""

from typing import Final

_COMMON: Final = """
abs acos asin atan atan2 avg ceil ceiling char_length coalesce concat concat_ws cos count cume_dist
current_date current_time current_timestamp date degrees dense_rank exp first_value floor greatest
hex instr lag last_value lead least left length ln log lower ltrim max min mod now nth_value ntile
nullif octet_length percent_rank pi position pow power radians rank replace reverse right round
row_number rtrim sign sin sqrt substr substring sum tan trim upper
"""

_SQLITE: Final = """
-> ->> acosh asinh atanh bm25 char cosh datetime format generate_series glob group_concat highlight
if ifnull iif json json_array json_array_length json_each json_error_position json_extract
json_group_array json_group_object json_insert json_object json_patch json_pretty json_quote
json_remove json_replace json_set json_tree json_type json_valid julianday like likelihood likely
log10 log2 match median printf quote random sinh snippet soundex strftime string_agg tanh time
timediff total trunc typeof unhex unicode unixepoch unlikely
"""

_POSTGRES: Final = """
age array_agg array_length array_to_string bit_length bool_and bool_or btrim cardinality cbrt chr
clock_timestamp corr covar_pop covar_samp date_bin date_part date_trunc div every extract format
generate_series initcap isfinite json_agg json_array_elements json_array_elements_text
json_array_length json_build_array json_build_object json_each json_each_text json_extract_path
json_extract_path_text json_object_agg json_object_keys json_typeof jsonb_agg jsonb_array_elements
jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each
jsonb_each_text jsonb_extract_path jsonb_extract_path_text jsonb_object_agg jsonb_object_keys
jsonb_pretty jsonb_typeof justify_days justify_hours justify_interval make_date make_interval
make_time make_timestamp make_timestamptz md5 mode percentile_cont percentile_disc phraseto_tsquery
plainto_tsquery quote_literal regexp_match regexp_matches regexp_replace regexp_split_to_array
regexp_split_to_table similarity split_part starts_with statement_timestamp stddev stddev_pop
stddev_samp string_agg string_to_array strpos to_char to_date to_json to_jsonb to_number
to_timestamp to_tsquery to_tsvector translate trunc ts_headline ts_rank unaccent unnest var_pop
var_samp variance websearch_to_tsquery width_bucket word_similarity
"""

_MYSQL: Final = """
adddate addtime any_value ascii bin bit_length char convert_tz crc32 curdate curtime date_add
date_format date_sub datediff day dayname dayofmonth dayofweek dayofyear elt extract field
find_in_set format from_days from_unixtime group_concat hour if ifnull isnull json_array
json_arrayagg json_contains json_contains_path json_extract json_keys json_length json_object
json_objectagg json_quote json_search json_type json_unquote json_valid json_value last_day lcase
locate log10 log2 makedate maketime md5 microsecond mid minute month monthname oct ord period_add
period_diff quarter quote rand regexp_instr regexp_like regexp_replace regexp_substr sec_to_time
second sha1 sha2 soundex std stddev stddev_pop stddev_samp str_to_date strcmp subdate
substring_index subtime sysdate time time_format time_to_sec timediff timestamp timestampadd
timestampdiff to_days truncate ucase unhex unix_timestamp utc_date utc_time utc_timestamp var_pop
var_samp variance week weekday weekofyear year yearweek
"""

SQLITE: Final = frozenset((_COMMON + _SQLITE).split())
POSTGRES: Final = frozenset((_COMMON + _POSTGRES).split())
MYSQL: Final = frozenset((_COMMON + _MYSQL).split())

ALLOWED: Final = {"sqlite": SQLITE, "postgres": POSTGRES, "mysql": MYSQL}
