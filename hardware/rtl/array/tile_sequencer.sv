// The loops over the tiles of a layer, in lock step: while tile i is computed, tile i - 1 is stored and tile i + 1
// is loaded over the one memory port; the next step starts when all three are done. Pixels and weights that are on
// the chip already are not loaded again.
module tile_sequencer (
    input  logic   clk,           // clock
    input  logic   rst,           // reset, synchronous
    input  layer_t cfg,           // layer
    input  logic   start,         // run the layer
    output logic   busy,          // under way
    output tile_t  load_tile,     // tile being loaded
    output logic   load_pixels,   // begin loading its pixels
    input  logic   pixels_busy,   // which are under way
    output logic   load_weights,  // begin loading its weights
    input  logic   weights_busy,  // which are under way
    output tile_t  core_tile,     // tile being computed
    output logic   compute,       // begin computing it
    input  logic   computed,      // it is done in this cycle
    output tile_t  store_tile,    // tile being stored
    output logic   store,         // begin storing it
    input  logic   store_busy,    // which is under way
    output logic   in_pixels,     // the port is bringing pixels (to be counted)
    output logic   in_weights,    // the port is bringing weights (to be counted)
    output logic   in_store,      // the port is taking results away (to be counted)
    output logic   in_compute     // the core is computing (to be counted)
);
  typedef enum logic [2:0] {IDLE, LAUNCH, STORE, PIXELS, WEIGHTS, BARRIER} state_t;
  state_t state;
  logic entered;  // first cycle of a state
  tile_t next;    // the tile after load_tile
  logic next_valid, load_px, load_wt, rewind_wt, in_half, wt_half, out_half;
  logic [16:0] y0;
  logic [15:0] rows_left, units_left, block0;
  logic [31:0] in_row_addr, in_unit, out_row_addr, out_unit;
  logic row_wraps, unit_wraps, more, move_row, move_unit;

  assign busy = state != IDLE;
  assign compute = state == LAUNCH && core_tile.valid;
  assign store = state == STORE && entered && store_tile.valid;
  assign load_pixels = state == PIXELS && entered && load_tile.valid && load_tile.load_pixels;
  assign load_weights = state == WEIGHTS && entered && load_tile.valid && load_tile.load_weights;
  assign in_store = store || (state == STORE && store_busy);
  assign in_pixels = load_pixels || (state == PIXELS && pixels_busy);
  assign in_weights = load_weights || (state == WEIGHTS && weights_busy);

  always_ff @(posedge clk) begin : steps
    entered <= 1'b0;
    if (rst) state <= IDLE;
    else
      case (state)
        IDLE: if (start) state <= LAUNCH;
        LAUNCH: {state, entered} <= {STORE, 1'b1};
        STORE: if (!in_store) {state, entered} <= {PIXELS, 1'b1};
        PIXELS: if (!in_pixels) {state, entered} <= {WEIGHTS, 1'b1};
        WEIGHTS: if (!in_weights) state <= BARRIER;
        default:
        if (!in_compute) state <= core_tile.valid || load_tile.valid ? LAUNCH : IDLE;
      endcase
    if (rst || computed) in_compute <= 1'b0;
    else if (compute) in_compute <= 1'b1;
  end

  always_ff @(posedge clk) begin : tiles
    if (rst || (state == IDLE && start)) begin
      core_tile.valid <= 1'b0;
      store_tile.valid <= 1'b0;
      load_tile <= next;
      load_tile.valid <= !rst;
    end else if (state == BARRIER && !in_compute) begin
      store_tile <= core_tile;
      core_tile <= load_tile;
      load_tile <= next;
    end
  end

  // The tile after `next`: the inner loop moves, and when it wraps the outer one.
  assign row_wraps  = rows_left <= cfg.tile_oy;
  assign unit_wraps = units_left <= cfg.tile_units;
  assign more       = !(row_wraps && unit_wraps);
  assign move_row   = !cfg.rows_outer || unit_wraps;
  assign move_unit  = cfg.rows_outer || row_wraps;

  // A loop of one iteration never changes its operand; groups bring their own pixels.
  logic one_row, one_unit, pixels_change, weights_change;
  assign one_row = cfg.out_h <= cfg.tile_oy;
  assign one_unit = cfg.units <= cfg.tile_units;
  assign weights_change = move_unit && !one_unit;
  assign pixels_change = (move_row && !one_row) || (cfg.grouped && weights_change);

  function automatic [15:0] least(input [15:0] a, input [15:0] b);
    least = a < b ? a : b;
  endfunction

  always_comb begin : next_tile
    next.valid = next_valid;
    next.y0 = y0;
    next.rows = least(rows_left, cfg.tile_oy);
    next.groups = cfg.grouped ? least(units_left, cfg.tile_units) : 16'd1;
    next.of_n = cfg.grouped ? cfg.of_g : least(units_left, cfg.tile_units);
    next.block0 = block0;
    next.in_addr = in_row_addr + in_unit;
    next.out_addr = out_row_addr + out_unit;
    next.load_pixels = load_px;
    next.load_weights = load_wt;
    next.rewind_weights = rewind_wt;
    next.in_half = in_half;
    next.wt_half = wt_half;
    next.out_half = out_half;
  end

  logic advance;
  assign advance = (state == IDLE && start) || (state == BARRIER && !in_compute && next_valid);

  always_ff @(posedge clk) begin : loops
    if (rst || (!busy && !start)) begin
      next_valid <= 1'b1;
      load_px <= 1'b1;
      load_wt <= 1'b1;
      rewind_wt <= 1'b1;
      in_half <= 1'b0;
      wt_half <= 1'b0;
      out_half <= 1'b0;
      y0 <= 17'd0 - {1'b0, cfg.pad_h};
      block0 <= '0;
      rows_left <= cfg.out_h;
      units_left <= cfg.units;
      in_row_addr <= cfg.in_base;
      in_unit <= '0;
      out_row_addr <= cfg.out_base;
      out_unit <= '0;
    end else if (advance) begin
      next_valid <= more;
      out_half <= !out_half;
      load_px <= pixels_change;
      in_half <= in_half ^ pixels_change;
      load_wt <= weights_change;
      wt_half <= wt_half ^ weights_change;
      rewind_wt <= weights_change && unit_wraps;
      if (move_row) begin
        rows_left <= row_wraps ? cfg.out_h : rows_left - cfg.tile_oy;
        y0 <= row_wraps ? 17'd0 - {1'b0, cfg.pad_h} : y0 + {1'b0, cfg.tile_iy};
        in_row_addr <= row_wraps ? cfg.in_base : in_row_addr + cfg.in_tile_bytes;
        out_row_addr <= row_wraps ? cfg.out_base : out_row_addr + cfg.out_tile_bytes;
      end
      if (move_unit) begin
        units_left <= unit_wraps ? cfg.units : units_left - cfg.tile_units;
        block0 <= unit_wraps ? 16'd0 : block0 + cfg.tile_blocks;
        in_unit <= unit_wraps ? 32'd0 : in_unit + cfg.in_unit_bytes;
        out_unit <= unit_wraps ? 32'd0 : out_unit + cfg.out_unit_bytes;
      end
    end
  end
endmodule
