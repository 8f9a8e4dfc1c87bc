// R x C cells. Row r works on one element of the receptive field, column c on one output channel. While `load` is
// high the weights move down one row a cycle, the bottom row's first.
module ws_array #(
    parameter int R = 4,    // rows
    parameter int C = 4,    // columns
    parameter int DW = 8,   // bits of a pixel
    parameter int WW = 8,   // bits of a weight
    parameter int AW = 32   // bits of a sum
) (
    input  logic            clk,      // clock
    input  logic            load,     // shift weights down
    input  logic [C*WW-1:0] weights,  // weight entering column c at [c*WW +: WW]
    input  logic [R*DW-1:0] pixels,   // pixel entering row r at [r*DW +: DW], already skewed by r cycles
    output logic [C*AW-1:0] sums      // sum leaving column c at [c*AW +: AW], R cycles after it entered row 0
);
  logic [C*WW-1:0] down_weight[R+1];
  logic [C*AW-1:0] down_sum[R+1];
  assign down_weight[0] = weights;
  assign down_sum[0] = '0;
  assign sums = down_sum[R];

  for (genvar r = 0; r < R; r++) begin : g_row
    logic [(C+1)*DW-1:0] across;
    assign across[DW-1:0] = pixels[r*DW+:DW];
    for (genvar c = 0; c < C; c++) begin : g_column
      ws_cell #(.DW(DW), .WW(WW), .AW(AW)) cell_i (
          .clk,
          .load,
          .weight_in (down_weight[r][c*WW+:WW]),
          .weight_out(down_weight[r+1][c*WW+:WW]),
          .pixel_in  (across[c*DW+:DW]),
          .pixel_out (across[(c+1)*DW+:DW]),
          .sum_in    (down_sum[r][c*AW+:AW]),
          .sum_out   (down_sum[r+1][c*AW+:AW])
      );
    end
  end
endmodule
